//! The process that runs the operation under test, and dies or stops on its way.

use super::bystanders::{attach, control, join};
use super::content::{key, name};
use super::control::{Cell, Control, GO};
use super::ends::{self, HOUR_MS};
use super::hosts;
use super::parts::{Part, Told};
use super::prepare::LONG;
use super::processes::{follow_the_runner, variable};
use super::stage::Step;
use super::wills;
use cluster_shared_memory::error::{Error, Result};
use cluster_shared_memory::fault::{self, Then};
use cluster_shared_memory::heap::hazard;
use cluster_shared_memory::latch::PATIENCE;
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::store::{Condition, Scratch};
use cluster_shared_memory::{locks, repair, wake, watches};
use std::sync::OnceLock;
use std::time::Duration;

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Gives the first target its new value, or removes it.
    Put,
    /// Adds 1 to the first target.
    Add,
    /// Has changes of the first target leave records.
    Watch,
    /// Becomes a member.
    Join,
    /// Says goodbye with nothing in hand.
    Leave,
    /// Mends what the dead have left, and says so to everybody, as the hub does.
    Mend,
    /// Protects a run, as a reader of a long value does whose copies were overtaken.
    Protect,
    /// Asks for the first lock.
    Ask,
    /// The same, and spins for it first if that may make sense.
    AskSpinning,
    /// Lets go of the first lock.
    Release,
    /// Says goodbye, as an environment does that ends.
    Goodbye,
    /// The same, when it could not let go of what it has.
    Abandon,
    /// Watches the first name.
    Listen,
    /// Watches it no more.
    Unlisten,
    /// Gives the first target its new value for an hour.
    PutFor,
    /// Adds 1 to the first target, which ends in an hour if it begins now.
    AddFor,
    /// Lets the first target end in an hour.
    Touch,
    /// Removes everything that has ended.
    Sweep,
    /// Gives the first target its new value, and takes the old one.
    Exchange,
    /// Removes the first target, and takes its value.
    Take,
    /// Sets a key of a namespace; see [`super::ends`].
    PutInside,
    /// Sets it to a long value.
    PutInsideLong,
    /// Removes it.
    RemoveInside,
    /// Makes a namespace.
    Name,
    /// Adds the first target with a long value, if there is none.
    PutNew,
    /// Takes a slot for a hub, and makes it the host.
    Host,
    /// Hosts no more; it was the host.
    Resign,
    /// Leaves as the last, with a snapshot.
    LeaveLast,
}

impl Act {
    const ALL: [Self; 28] = [
        Self::Put,
        Self::Add,
        Self::Watch,
        Self::Join,
        Self::Leave,
        Self::Mend,
        Self::Protect,
        Self::Ask,
        Self::AskSpinning,
        Self::Release,
        Self::Goodbye,
        Self::Abandon,
        Self::Listen,
        Self::Unlisten,
        Self::PutFor,
        Self::AddFor,
        Self::Touch,
        Self::Sweep,
        Self::Exchange,
        Self::Take,
        Self::PutInside,
        Self::PutInsideLong,
        Self::RemoveInside,
        Self::Name,
        Self::PutNew,
        Self::Host,
        Self::Resign,
        Self::LeaveLast,
    ];

    pub(crate) fn to_number(self) -> usize {
        self as usize
    }
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// Runs the operation that the environment names.
pub(crate) fn act() {
    follow_the_runner();
    let control = CONTROL.get_or_init(control);
    let act = Act::ALL[variable("CRASH_ACT").parse::<usize>().unwrap()];
    let segment = attach();
    let result = if act == Act::Join {
        obey(None, control);
        arm();
        join(segment);
        Ok(Told::Nothing)
    } else {
        let store = join(segment);
        let processors = if act == Act::AskSpinning { 2 } else { 1 };
        let mut part = Part::new(store.segment(), store.member(), processors);
        control.set(Cell::Actor, store.member().to_word());
        let hub = (act == Act::Resign).then(|| hosts::take(part.store.segment()).unwrap().unwrap());
        obey(Some(&mut part), control);
        arm();
        run(act, &mut part, control, hub)
    };
    fault::disarm();
    fault::trace(None);
    let returned = match result {
        Ok(told) => {
            control.set(Cell::Told, told as u64);
            1
        }
        Err(Error::OutOfMemory { .. }) => 2,
        Err(error) => panic!("the operation failed: {error}"),
    };
    control.set(Cell::Returned, returned);
}

/// Does what the runner wants until it is time to begin.
fn obey(mut part: Option<&mut Part>, control: &Control) {
    loop {
        let order = control.get(Cell::Order);
        if order == GO {
            return;
        }
        if order == control.get(Cell::Obeyed) {
            std::thread::sleep(Duration::from_micros(20));
            continue;
        }
        let id = control.names()[control.get(Cell::OrderOf) as usize];
        let (told, ticket) = Step::of_order(order).take(part.as_mut().unwrap(), id).unwrap();
        control.set(Cell::Told, told as u64);
        control.set(Cell::Ticket, ticket);
        control.set(Cell::Obeyed, order);
    }
}

fn arm() {
    fault::trace(Some(|offset| CONTROL.get().unwrap().record(offset)));
    let fuel = variable("CRASH_FUEL").parse().unwrap_or(u64::MAX);
    match variable("CRASH_THEN").as_str() {
        "kill" => fault::set_fuel(fuel, Then::Kill),
        "stop" => fault::set_fuel(fuel, Then::Stop),
        _ => {}
    }
}

fn run(act: Act, part: &mut Part, control: &Control, hub: Option<MemberId>) -> Result<Told> {
    let segment = part.store.segment().clone();
    let (region, layout, me) = (segment.region(), segment.layout(), part.me());
    let target = control.targets()[0];
    let name = name(target.id);
    let of = control.names().first().copied().unwrap_or(0);
    match act {
        Act::Put => target.new.put(&part.store, target.id)?,
        Act::Add => drop(part.store.incr(&key(&part.store, &name), 1.0)?),
        Act::Watch => drop(part.store.watch(&key(&part.store, &name))?),
        Act::Leave => repair::mend(&segment, me, me)?,
        Act::Mend => {
            repair::mend_the_dead(&segment, me)?;
            wake::rouse_all(&segment, wake::REPAIRED)?;
        }
        Act::Protect => {
            let page = layout.pages - 1;
            hazard::protect(&segment, me, page)?;
            hazard::unprotect(&segment, me)?;
        }
        Act::Ask | Act::AskSpinning => return Ok(part.ask(of)?.0),
        Act::Release => return Ok(part.release(of)?.0),
        Act::Goodbye => {
            locks::give_up_all(&segment, me, me, PATIENCE)?;
            watches::end_all(&segment, me, me, PATIENCE)?;
            members::leave(region, layout, me)?;
        }
        Act::Abandon => members::abandon(region, layout, me)?,
        Act::Listen => part.watch(of)?,
        Act::Unlisten => part.unwatch(of)?,
        Act::PutFor => target.new.put_for(&part.store, target.id, HOUR_MS)?,
        Act::AddFor => drop(part.store.incr_for(&key(&part.store, &name), 1.0, HOUR_MS)?),
        Act::Touch => drop(part.store.touch(&key(&part.store, &name), Some(HOUR_MS))?),
        Act::Sweep => ends::sweep(&part.store)?,
        Act::Exchange => {
            let (store, key) = (&part.store, key(&part.store, &name));
            let mut scratch = Scratch::default();
            target.new.with_value(|value| store.exchange(&key, value, None, &mut scratch))?;
        }
        Act::Take => {
            part.store.take(&key(&part.store, &name), &mut Scratch::default())?;
        }
        Act::PutInside => ends::put_inside(&part.store, ends::SHORT)?,
        Act::PutInsideLong => ends::put_inside(&part.store, ends::LONG)?,
        Act::RemoveInside => ends::remove_inside(&part.store)?,
        Act::Name => drop(part.store.namespace(b"another", false)?),
        Act::PutNew => {
            let (store, key) = (&part.store, key(&part.store, &name));
            LONG.with_value(|value| store.put(&key, value, Condition::Absent, None))?;
        }
        Act::Host => drop(hosts::take(&segment)?),
        Act::Resign => hosts::resign(&segment, hub.unwrap())?,
        Act::LeaveLast => wills::leave(&segment, me)?,
        Act::Join => {}
    }
    Ok(Told::Nothing)
}
