//! The process that runs the operation under test, and dies or stops on its way.

use super::bystanders::{attach, control, join};
use super::content::{key, name};
use super::control::{Cell, Control};
use super::processes::{follow_the_runner, variable};
use cluster_shared_memory::error::{Error, Result};
use cluster_shared_memory::fault::{self, Then};
use cluster_shared_memory::heap::hazard;
use cluster_shared_memory::repair;
use cluster_shared_memory::store::Store;
use std::sync::OnceLock;

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Gives the first target its new value, or removes it.
    Put,
    /// Adds 1 to the first target.
    Add,
    /// Watches the first target.
    Watch,
    /// Becomes a member.
    Join,
    /// Says goodbye.
    Leave,
    /// Mends what the dead have left.
    Mend,
    /// Protects a run, as a reader of a long value does whose copies were overtaken.
    Protect,
}

impl Act {
    const ALL: [Self; 7] =
        [Self::Put, Self::Add, Self::Watch, Self::Join, Self::Leave, Self::Mend, Self::Protect];

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
        arm();
        join(segment);
        Ok(())
    } else {
        let store = join(segment);
        control.set(Cell::Actor, store.member().to_word());
        arm();
        run(act, &store, control)
    };
    fault::disarm();
    fault::trace(None);
    control.set(
        Cell::Returned,
        match result {
            Ok(()) => 1,
            Err(Error::OutOfMemory { .. }) => 2,
            Err(error) => panic!("the operation failed: {error}"),
        },
    );
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

fn run(act: Act, store: &Store, control: &Control) -> Result<()> {
    let (segment, me) = (store.segment(), store.member());
    let target = control.targets()[0];
    let name = name(target.id);
    match act {
        Act::Put => target.new.put(store, target.id),
        Act::Add => store.incr(&key(store, &name), 1.0).map(drop),
        Act::Watch => store.watch(&key(store, &name)).map(drop),
        Act::Leave => repair::mend(segment, me, me),
        Act::Mend => repair::mend_the_dead(segment, me).map(drop),
        Act::Protect => {
            let page = segment.layout().pages - 1;
            hazard::protect(segment, me, page)?;
            hazard::unprotect(segment, me)
        }
        Act::Join => Ok(()),
    }
}
