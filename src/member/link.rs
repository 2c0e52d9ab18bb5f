//! The connection of this process to a hub, and the segment that it got from there.
//!
//! It is made once, by the first environment that attaches; others that come meanwhile wait for it.
//! It stays open for as long as the process lives: its end tells the hub to look whether the process
//! is dead, and tells the process that the hub is gone. Then a thread asks again under the same
//! name, less and less often, until the process that had the name is dead: no other can have it.

use super::notify;
use super::waker::Notice;
use crate::error::{Error, Result};
use crate::hub::admission::{check_hub, refused};
use crate::hub::message::{Hello, Reply, Request, parse, to_bytes};
use crate::hub::name::HubName;
use crate::os::process::ProcessId;
use crate::os::socket::{Connection, Received};
use crate::os::{fd, spawn};
use crate::segment::Segment;
use crossbeam_channel::{Receiver, Sender, unbounded};
use dashmap::DashMap;
use rustix::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The links of this process: one, but in tests and where a process has two primaries.
static LINKS: LazyLock<DashMap<HubName, Arc<Link>>> = LazyLock::new(DashMap::new);

/// How long the hub must be gone before anybody is told.
const LOST_AFTER: Duration = Duration::from_millis(300);
/// Pauses between two attempts to find the hub again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a hub may take to answer then.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How this process stands with a hub.
#[derive(Debug)]
enum State {
    /// Nobody has asked yet, or there was no answer.
    Apart,
    /// Somebody is asking.
    Asking,
    /// Connected.
    Together(Arc<Segment>, Arc<Connection>),
    /// It was connected, and has the segment.
    Left(Arc<Segment>),
}

/// The connection of this process to one hub.
#[derive(Debug)]
pub(super) struct Link {
    name: HubName,
    state: Mutex<State>,
    changed: Condvar,
    /// One asks for room at a time.
    asking: Mutex<()>,
    mended: (Sender<u64>, Receiver<u64>),
}

impl Link {
    /// The link to the hub of this name.
    pub(super) fn of(name: &HubName) -> Arc<Self> {
        let link = LINKS.entry(name.clone()).or_insert_with(|| {
            Arc::new(Self {
                name: name.clone(),
                state: Mutex::new(State::Apart),
                changed: Condvar::new(),
                asking: Mutex::default(),
                mended: unbounded(),
            })
        });
        Arc::clone(&link)
    }

    /// The segment of the hub; asks for it if nobody has. `None`: no hub answers by `deadline`.
    ///
    /// # Errors
    /// What the hub refuses with; [`Error::System`].
    pub(super) fn segment(self: &Arc<Self>, deadline: Instant) -> Result<Option<Arc<Segment>>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                // Who has the segment needs no hub to go on.
                State::Together(segment, _) | State::Left(segment) => {
                    return Ok(Some(Arc::clone(segment)));
                }
                State::Apart => break,
                State::Asking => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        *state = State::Asking;
        drop(state);
        let asked = self.ask(deadline);
        let next = match &asked {
            Ok(Some((segment, connection))) => {
                State::Together(Arc::clone(segment), Arc::clone(connection))
            }
            _ => State::Apart,
        };
        self.enter(next);
        Ok(asked?.map(|(segment, _)| segment))
    }

    /// Has the hub mend after the dead, and waits until it has.
    pub(super) fn make_room(&self, timeout: Duration) -> Option<u64> {
        let _one = lock(&self.asking);
        let connection = match &*lock(&self.state) {
            State::Together(_, connection) => Arc::clone(connection),
            _ => return None,
        };
        let (_, mended) = &self.mended;
        // An answer that came too late for who asked.
        mended.try_iter().for_each(drop);
        connection.send(&to_bytes(&Request::Mend), None).ok()?;
        mended.recv_timeout(timeout).ok()
    }

    fn ask(self: &Arc<Self>, deadline: Instant) -> Result<Option<(Arc<Segment>, Arc<Connection>)>> {
        let Some((connection, file)) = knock(&self.name, deadline)? else {
            return Ok(None);
        };
        let segment = Arc::new(Segment::attach(file)?);
        let connection = Arc::new(connection);
        let link = Arc::clone(self);
        let watched = (Arc::clone(&segment), Arc::clone(&connection));
        spawn("csm-link", move || link.watch(&watched.0, watched.1))?;
        Ok(Some((segment, connection)))
    }

    fn enter(&self, next: State) {
        *lock(&self.state) = next;
        self.changed.notify_all();
    }

    /// Listens to the hub, and for it once it is gone.
    fn watch(&self, segment: &Arc<Segment>, mut connection: Arc<Connection>) {
        loop {
            self.hear(&connection);
            drop(connection);
            self.enter(State::Left(Arc::clone(segment)));
            // When the primary ends, its workers are about to: nothing to speak of.
            std::thread::sleep(LOST_AFTER);
            notify(segment, Notice::HubLost);
            let Some(found) = self.find_again(segment) else {
                return;
            };
            connection = Arc::new(found);
            self.enter(State::Together(Arc::clone(segment), Arc::clone(&connection)));
            notify(segment, Notice::HubFound);
        }
    }

    /// Hears what the hub says until it is gone.
    fn hear(&self, connection: &Connection) {
        loop {
            match connection.receive(None) {
                Ok(Received::Message(text, _)) => {
                    if let Ok(Reply::Mended { freed }) = parse(&text) {
                        let _ = self.mended.0.send(freed);
                    }
                }
                Ok(Received::TooLong | Received::Nothing) => {}
                Ok(Received::Closed) | Err(_) => return,
            }
        }
    }

    /// Asks again and again until a hub has the same segment; `None` if none ever can.
    fn find_again(&self, segment: &Segment) -> Option<Connection> {
        let mut pause = FIRST_PAUSE;
        loop {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            if self.name.process().is_dead() {
                return None;
            }
            // Refused, or an error: it may be another time.
            let Ok(Some((connection, file))) = knock(&self.name, Instant::now() + ANSWER_WITHIN)
            else {
                continue;
            };
            let theirs = fd::identity(file.as_fd()).ok();
            let ours = fd::identity(segment.file()).ok();
            // The members here are in the old segment; nobody can bring them over to a new one.
            return (ours.is_some() && ours == theirs).then_some(connection);
        }
    }
}

/// Asks a hub for admission and its segment; `None` if nobody answers by `deadline`.
fn knock(name: &HubName, deadline: Instant) -> Result<Option<(Connection, OwnedFd)>> {
    let Some(connection) = Connection::open(&name.to_string(), deadline)? else {
        return Ok(None);
    };
    check_hub(name, connection.peer()?)?;
    let hello = Request::Hello(Hello::of(ProcessId::current()));
    // Who is refused by its credentials alone may find the connection closed: the answer is there.
    let sent = connection.send(&to_bytes(&hello), None);
    match connection.receive(Some(deadline))? {
        Received::Nothing => Ok(None),
        Received::Message(text, file) => Ok(Some((connection, admitted(&text, file)?))),
        Received::Closed => sent.map(|()| None),
        Received::TooLong => Err(not_understood()),
    }
}

fn admitted(text: &[u8], file: Option<OwnedFd>) -> Result<OwnedFd> {
    match (parse(text), file) {
        (Ok(Reply::Welcome { .. }), Some(file)) => Ok(file),
        (Ok(Reply::Refused(refusal)), _) => Err(refused(refusal)),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> Error {
    Error::Refused("the hub's answer cannot be understood".into())
}

/// Nothing here leaves what it has locked half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
