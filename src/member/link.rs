//! How this process stands with a hub, and the segment that it has from there.
//!
//! The first environment that attaches asks for it; others that come meanwhile wait for that. The
//! connection stays open for as long as the process lives: its end tells the hub to look whether the
//! process is dead, and tells the process that the hub is gone. Then a thread looks for the next one,
//! or becomes the host itself ([`super::tree`], [`super::group`]). A group is left with the last
//! environment.

use super::found::{Found, Watched};
use super::group::{self, Beginnings};
use super::stay::{self, Stay};
use super::waker::Notice;
use super::{notify, tree};
use crate::error::{Error, Result};
use crate::hub::group::Door;
use crate::hub::message::{Reply, Request, parse, to_bytes};
use crate::hub::will;
use crate::hub::{GroupName, Hub, HubName, Referral};
use crate::os::socket::{Connection, Received};
use crate::os::spawn;
use crate::segment::Segment;
use crossbeam_channel::{Receiver, Sender, unbounded};
use dashmap::DashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The links of this process: one, but in tests and where a process has two primaries.
static LINKS: LazyLock<DashMap<Way, Arc<Link>>> = LazyLock::new(DashMap::new);

/// How long the hub must be gone before anybody is told; a group has many that may host the next.
const LOST_AFTER: Duration = Duration::from_millis(300);
const GROUP_LOST_AFTER: Duration = Duration::from_secs(2);

/// How often it is looked whether the host lives, though the connection stands.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A snapshot that takes longer to be read is asked for again.
const READ_WITHIN: Duration = Duration::from_millis(5);

/// Where the hub is to be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// In the process of this name.
    Tree(HubName),
    /// In one of those that share by this name; in this one, if it is the first.
    Group(GroupName),
}

#[derive(Debug)]
enum State {
    /// Nobody has asked yet, or there was no answer.
    Apart,
    /// Somebody is asking.
    Busy,
    /// The process leaves, and may have a snapshot to write.
    Leaving,
    /// Connected to an address where nobody has answered yet.
    Queued(Connection, String),
    /// The hub is here, and makes the segment.
    Founding(Door, Arc<Hub>),
    /// Connected.
    Guest(Arc<Watched>, Arc<Connection>),
    /// The hub is here.
    Host(Arc<Watched>, Arc<Hub>),
    /// It was connected, and has the segment.
    Alone(Arc<Watched>),
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Environments that are attached.
    stays: usize,
}

/// The connection of this process to one hub.
#[derive(Debug)]
pub(super) struct Link {
    way: Way,
    /// How often a group was sought.
    tries: AtomicU32,
    /// The name that the primary has told to share by instead.
    referred: Mutex<Option<String>>,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// One asks for room at a time.
    asking: Mutex<()>,
    mended: (Sender<u64>, Receiver<u64>),
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What an environment gets that asks.
#[derive(Debug)]
pub(super) enum Entered {
    /// It is in.
    Stay(Stay),
    /// It shall join this group.
    Elsewhere(Referral),
}

impl Link {
    /// The link that leads there.
    pub(super) fn of(way: Way) -> Arc<Self> {
        let link = LINKS.entry(way.clone()).or_insert_with(|| {
            Arc::new(Self {
                way,
                tries: AtomicU32::new(0),
                referred: Mutex::default(),
                inner: Mutex::new(Inner { state: State::Apart, stays: 0 }),
                changed: Condvar::new(),
                asking: Mutex::default(),
                mended: unbounded(),
                thread: Mutex::default(),
            })
        });
        Arc::clone(&link)
    }

    /// The segment; asks for it if nobody has, or makes it. `None`: no hub answers by `deadline`.
    ///
    /// # Errors
    /// [`crate::error::Error::Reading`]: it is not complete yet; what the hub refuses with;
    /// [`crate::error::Error::System`].
    pub(super) fn enter(
        self: &Arc<Self>,
        beginnings: &Beginnings,
        deadline: Instant,
    ) -> Result<Option<Entered>> {
        let mut inner = lock(&self.inner);
        loop {
            match &inner.state {
                // Who has the segment needs no hub to go on.
                State::Guest(watched, _) | State::Host(watched, _) | State::Alone(watched) => {
                    let segment = Arc::clone(&watched.segment);
                    inner.stays += 1;
                    return Ok(Some(Entered::Stay(Stay::new(Arc::clone(self), segment))));
                }
                State::Apart | State::Queued(..) | State::Founding(..) => break,
                State::Busy | State::Leaving => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match &inner.state {
                    // It is not as if nobody answered.
                    State::Leaving => Err(Error::Reading { entries: 0, total: 0 }),
                    _ => Ok(None),
                };
            }
            let woken = self.changed.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let before = std::mem::replace(&mut inner.state, State::Busy);
        drop(inner);
        let asked = match (before, &self.way) {
            (State::Founding(door, hub), _) => Ok(Some(Found::Founding { door, hub })),
            (_, Way::Tree(name)) => tree::knock(name, deadline),
            (State::Queued(connection, address), Way::Group(name)) => {
                group::wait_on(name, &self.tries, beginnings, (connection, address), deadline)
            }
            (_, Way::Group(name)) => group::join(name, &self.tries, beginnings, deadline),
        };
        let settled = asked.and_then(|found| {
            found.map_or(Ok((State::Apart, Ok(None))), |found| self.settle(found, deadline))
        });
        let (state, entered) = settled.unwrap_or_else(|error| (State::Apart, Err(error)));
        let mut inner = lock(&self.inner);
        // The thread waits for the lock, so that what it finds is not taken back here.
        let started = match &state {
            State::Guest(watched, connection) => self.start_to_watch(watched, connection),
            _ => Ok(()),
        };
        inner.state = if started.is_ok() { state } else { State::Apart };
        inner.stays += usize::from(matches!(entered, Ok(Some(Entered::Stay(_)))));
        self.changed.notify_all();
        drop(inner);
        started.and(entered)
    }

    /// Waits for nothing any more: gives up its place in a queue, and a segment that is being made, or is
    /// made and was not asked for again. Whoever else waits asks anew. Gives the same as `leave`.
    pub(super) fn let_go(&self) -> Result<Vec<PathBuf>> {
        let mut inner = lock(&self.inner);
        if !matches!(inner.state, State::Queued(..) | State::Founding(..)) {
            return Ok(Vec::new());
        }
        let state = std::mem::replace(&mut inner.state, State::Leaving);
        drop(inner);
        let written = match state {
            State::Founding(_, hub) => abandon(hub),
            _ => Ok(Vec::new()),
        };
        lock(&self.inner).state = State::Apart;
        self.changed.notify_all();
        written
    }

    /// The name that the primary has told to share by instead.
    pub(super) fn referred(&self) -> Option<String> {
        lock(&self.referred).clone()
    }

    /// All links of this process.
    pub(super) fn all() -> Vec<Arc<Self>> {
        LINKS.iter().map(|link| Arc::clone(&link)).collect()
    }

    /// Has the hub mend after the dead, and waits until it has.
    pub(super) fn make_room(&self, timeout: Duration) -> Option<u64> {
        let _one = lock(&self.asking);
        let connection = match &lock(&self.inner).state {
            State::Guest(_, connection) => Ok(Arc::clone(connection)),
            State::Host(_, hub) => Err(Arc::clone(hub)),
            _ => return None,
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(hub) => return Some(hub.make_room(timeout)),
        };
        let (_, mended) = &self.mended;
        // An answer that came too late for who asked.
        mended.try_iter().for_each(drop);
        connection.send(&to_bytes(&Request::Mend), &[]).ok()?;
        mended.recv_timeout(timeout).ok()
    }

    /// What follows from what was found: the state, and what who has asked gets.
    fn settle(
        self: &Arc<Self>,
        found: Found,
        deadline: Instant,
    ) -> Result<(State, Result<Option<Entered>>)> {
        let stay = |segment| Entered::Stay(Stay::new(Arc::clone(self), segment));
        match found {
            Found::Queued(connection, address) => {
                Ok((State::Queued(connection, address), Ok(None)))
            }
            Found::Elsewhere(referral) => {
                *lock(&self.referred) = Some(referral.name.clone());
                Ok((State::Apart, Ok(Some(Entered::Elsewhere(referral)))))
            }
            Found::Founding { door, hub } => match hub.segment(deadline.min(soon())) {
                Ok(segment) => self.settle(Found::Host { segment, door, hub }, deadline),
                Err(reading @ Error::Reading { .. }) => {
                    Ok((State::Founding(door, hub), Err(reading)))
                }
                Err(error) => {
                    // Whoever has come since may have had the file read after all.
                    stay::tell(stay::for_people(abandon(hub)));
                    Err(error)
                }
            },
            Found::Host { segment, door, hub } => {
                let watched = Watched::new(Arc::clone(&segment), Some(door));
                Ok((State::Host(Arc::new(watched), hub), Ok(Some(stay(segment)))))
            }
            Found::Guest { file, door, connection } => {
                let segment = Arc::new(Segment::attach(file)?);
                let watched = Arc::new(Watched::new(Arc::clone(&segment), door));
                Ok((State::Guest(watched, connection), Ok(Some(stay(segment)))))
            }
        }
    }

    fn start_to_watch(
        self: &Arc<Self>,
        watched: &Arc<Watched>,
        connection: &Arc<Connection>,
    ) -> Result<()> {
        let (link, watched) = (Arc::clone(self), Arc::clone(watched));
        let connection = Arc::clone(connection);
        let thread = spawn("csm-link", move || link.watch(&watched, connection))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Listens to the hub, and for the next one once it is gone.
    fn watch(&self, watched: &Arc<Watched>, mut connection: Arc<Connection>) {
        loop {
            self.hear(watched, &connection);
            drop(connection);
            if !self.change(watched, State::Alone(Arc::clone(watched))) {
                return;
            }
            let (next, is_told) = self.find_again(watched);
            let Some(next) = next else { return };
            let (state, heard) = match next {
                Found::Guest { connection, .. } => {
                    (State::Guest(Arc::clone(watched), Arc::clone(&connection)), Some(connection))
                }
                Found::Host { hub, .. } => (State::Host(Arc::clone(watched), hub), None),
                Found::Elsewhere(_) | Found::Founding { .. } | Found::Queued(..) => return,
            };
            if !self.change(watched, state) {
                return;
            }
            if is_told {
                notify(&watched.segment, Notice::HubFound);
            }
            let Some(heard) = heard else { return };
            connection = heard;
        }
    }

    /// Hears what the hub says until it is gone.
    fn hear(&self, watched: &Watched, connection: &Connection) {
        loop {
            match connection.receive(Some(Instant::now() + LOOK_EVERY)) {
                Ok(Received::Message(text, _)) => {
                    if let Ok(Reply::Mended { freed }) = parse(&text) {
                        let _ = self.mended.0.send(freed);
                    }
                }
                Ok(Received::TooLong) => {}
                // A child of the host that is no program yet may have the other end as well.
                Ok(Received::Nothing) if watched.has_host() => {}
                Ok(Received::Nothing | Received::Closed) | Err(_) => return,
            }
        }
    }

    /// The next hub, and whether anybody was told that there is none.
    fn find_again(&self, watched: &Watched) -> (Option<Found>, bool) {
        match &self.way {
            Way::Tree(name) => {
                // When the primary ends, its workers are about to: nothing to speak of.
                watched.rest(LOST_AFTER);
                notify(&watched.segment, Notice::HubLost);
                (tree::find_again(name, watched), true)
            }
            Way::Group(name) => {
                let tell = || notify(&watched.segment, Notice::HubLost);
                group::find_again(name, watched, GROUP_LOST_AFTER, tell)
            }
        }
    }

    /// Changes the state, unless this process leaves. Gives whether it does not.
    fn change(&self, watched: &Watched, next: State) -> bool {
        let mut inner = lock(&self.inner);
        let is_here = !watched.is_left();
        if is_here {
            inner.state = next;
            self.changed.notify_all();
        }
        is_here
    }

    /// An environment has left; with the last one, the process leaves the group.
    pub(super) fn leave(&self) -> Result<Vec<PathBuf>> {
        let (watched, state) = {
            let mut inner = lock(&self.inner);
            inner.stays = inner.stays.saturating_sub(1);
            if inner.stays > 0 || self.group().is_none() {
                return Ok(Vec::new());
            }
            let watched = match &inner.state {
                State::Guest(watched, _) | State::Host(watched, _) | State::Alone(watched) => {
                    watched.leave();
                    Arc::clone(watched)
                }
                _ => return Ok(Vec::new()),
            };
            (watched, std::mem::replace(&mut inner.state, State::Leaving))
        };
        // The hub ends with the state, and the watching thread without a connection.
        if let State::Guest(_, connection) = &state {
            connection.close();
        }
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        drop(state);
        // Nobody else can have the name meanwhile: what it is watched by has the listener.
        let written = will::execute(&watched.segment, watched.door.as_ref(), None);
        drop(watched);
        lock(&self.inner).state = State::Apart;
        self.changed.notify_all();
        written
    }

    /// The name of the group, if it is one.
    pub(super) const fn group(&self) -> Option<&GroupName> {
        match &self.way {
            Way::Group(name) => Some(name),
            Way::Tree(_) => None,
        }
    }
}

/// Ends a hub of which this process is no member.
fn abandon(hub: Arc<Hub>) -> Result<Vec<PathBuf>> {
    // Nobody else has it; and nobody else can have the name, as long as the hub has the door.
    Arc::into_inner(hub).map_or(Ok(Vec::new()), Hub::abandon)
}

/// A large snapshot is not waited for: whoever asks may have other things to do meanwhile.
fn soon() -> Instant {
    Instant::now() + READ_WITHIN
}

/// Nothing here leaves what it has locked half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
