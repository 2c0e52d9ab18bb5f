//! The hub: a few threads in one process of the application: the primary, or one of those that share
//! by a name ([`group`]).
//!
//! It admits processes and hands them the segment's descriptor, learns of deaths and has what the
//! dead left mended, and gives memory back. **It holds no truth and no operation goes through it**:
//! everything that it knows can be lost, and the members go on without it.
//!
//! ```text
//!              events                 jobs
//!   io (ear) ----------> desk (mind) ----------> mender (hands)
//!            <----------             <----------
//!              commands               done
//! ```
//!
//! How the segment comes to be, and who may host it, is in `shared.rs`.

pub mod admission;
mod deadlines;
mod desk;
pub mod group;
mod io;
mod mender;
pub mod message;
pub mod name;
mod replaced;
mod shared;
mod trim;
pub mod will;

pub use group::GroupName;
pub use name::HubName;

use crate::error::{Error, Result};
use crate::os::poll::Bell;
use crate::os::process::ProcessId;
use crate::os::socket::{Connection, Listener};
use crate::os::spawn;
use crate::segment::Segment;
use crate::segment::layout::Layout;
use crate::store::Settings;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use desk::Desk;
use group::Door;
use io::{Command, Ear};
use mender::{Asker, Job};
pub use message::Referral;
use rustix::io::Errno;
use shared::{Opened, Shared};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How the desk talks to the ear.
#[derive(Debug)]
struct Mouth {
    commands: Sender<Command>,
    bell: Arc<Bell>,
}

/// The threads of a hub, and the ends by which they are closed.
#[derive(Debug)]
struct Threads {
    jobs: Option<Sender<Job>>,
    close: Option<Sender<()>>,
    handles: Vec<JoinHandle<()>>,
}

/// A hub. It ends, and its name is free again, when it is dropped.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    /// `None`: another copy of the package in this process has the hub, and this one is its guest.
    threads: Option<Threads>,
}

/// Starts the hub of this process, or gives the one that was started before.
///
/// # Errors
/// [`Error::System`] if it cannot listen.
pub fn start(default: Settings) -> Result<&'static Hub> {
    static HUB: OnceLock<Hub> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one = lock(&STARTING);
    if let Some(hub) = HUB.get() {
        return Ok(hub);
    }
    let name = HubName::of(ProcessId::current());
    let hub = match Hub::open(name.clone(), default, None) {
        Err(error) if error.is_errno(Errno::ADDRINUSE) && is_ours(&name) => {
            Hub::elsewhere(name, default)
        }
        hub => hub?,
    };
    Ok(HUB.get_or_init(|| hub))
}

impl Hub {
    /// Starts a hub that listens under `name`: for the segment that it takes over, or else for one
    /// that it makes when it is needed.
    ///
    /// # Errors
    /// [`Error::System`], with `ADDRINUSE` if somebody listens there; [`Error::TooManyMembers`] if
    /// the segment has no slot for it; [`Error::Refused`] if it has another host.
    pub fn open(name: HubName, settings: Settings, segment: Option<Arc<Segment>>) -> Result<Self> {
        let listener = Arc::new(Listener::bind(&name.to_string())?);
        let shared = Shared::new(name, settings, None, None);
        if let Some(segment) = segment {
            shared.take(segment)?.ok_or_else(|| Error::Refused("it has another host".into()))?;
        }
        Self::start(shared, listener)
    }

    /// Starts the hub of a group for a segment that it takes over; `None` if another process hosts
    /// that one already, or may still.
    ///
    /// # Errors
    /// [`Error::TooManyMembers`] if the segment has no slot for it; [`Error::System`].
    pub fn lead(group: GroupName, door: Door, segment: Arc<Segment>) -> Result<Option<Self>> {
        let listener = Arc::clone(&door.listener);
        let name = HubName::of(ProcessId::current());
        let shared = Shared::new(name, Settings::default(), Some((group, door)), None);
        if shared.take(segment)?.is_none() {
            return Ok(None);
        }
        Self::start(shared, listener).map(Some)
    }

    /// Starts the hub of a group that has no segment yet: it is made of these settings, and of what is
    /// in the file `snapshot`.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn found(
        group: GroupName,
        door: Door,
        settings: Settings,
        snapshot: Option<PathBuf>,
    ) -> Result<Self> {
        let listener = Arc::clone(&door.listener);
        let name = HubName::of(ProcessId::current());
        Self::start(Shared::new(name, settings, Some((group, door)), snapshot), listener)
    }

    fn start(shared: Shared, listener: Arc<Listener>) -> Result<Self> {
        let shared = Arc::new(shared);
        let threads = Threads::start(&shared, listener).inspect_err(|_| shared.resign())?;
        Ok(Self { shared, threads: Some(threads) })
    }

    /// From now on the workers of this process are told to join a group instead; `None`: no longer.
    ///
    /// # Errors
    /// [`Error::AlreadyOpen`] if some have got the segment of this hub.
    pub fn refer(&self, group: Option<Referral>) -> Result<()> {
        self.shared.refer(group)
    }

    /// The hub is that of another copy of the package in this process.
    fn elsewhere(name: HubName, settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(name, settings, None, None));
        Self { shared, threads: None }
    }

    /// Whether the hub is here, and not in another copy of the package in this process. If it is
    /// not, one attaches to it as a worker does.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        self.threads.is_some()
    }

    /// Where it listens.
    #[must_use]
    pub fn name(&self) -> &HubName {
        &self.shared.name
    }

    /// Chooses what the segment will be like.
    ///
    /// # Errors
    /// [`Error::AlreadyOpen`] if the segment exists; [`Error::BadSize`].
    pub fn configure(&self, choose: impl FnOnce(&mut Settings)) -> Result<()> {
        // The segment of another copy is that one's to configure.
        if self.is_here() { self.shared.configure(choose) } else { Err(Error::AlreadyOpen) }
    }

    /// The maximum as long as nobody configures another.
    ///
    /// # Errors
    /// [`Error::BadSize`].
    pub fn suggest(&self, maximum: u64) -> Result<()> {
        Layout::new(maximum)?;
        self.shared.suggest(maximum);
        Ok(())
    }

    /// The segment, which is made now if it does not exist; waits until `deadline` for a snapshot to be
    /// read.
    ///
    /// # Errors
    /// [`Error::Reading`] if that takes longer; those of [`crate::store::create_with`] and of
    /// [`crate::snapshot::read`].
    pub fn segment(&self, deadline: Instant) -> Result<Arc<Segment>> {
        Ok(Arc::clone(&self.shared.open(deadline)?.segment))
    }

    /// Ends it. If others may have come in and gone again, while this process has never had a member of
    /// the segment, it is left to this one what [the last of all](will) is to do.
    ///
    /// # Errors
    /// Those of [`will::execute`].
    pub fn abandon(mut self) -> Result<Vec<PathBuf>> {
        // First: then nobody comes in any more.
        self.threads = None;
        let door = self.shared.group.as_ref().map(|(_, door)| door);
        self.shared.opened().map_or(Ok(Vec::new()), |Opened { segment, changes, .. }| {
            will::execute(segment, door, Some(changes.clone()))
        })
    }

    /// Mends after all who are dead; gives how many slots that has freed, or 0 if it takes longer
    /// than `timeout`.
    #[must_use]
    pub fn make_room(&self, timeout: Duration) -> u64 {
        let (sender, receiver) = bounded(1);
        let jobs = self.threads.as_ref().and_then(|it| it.jobs.as_ref());
        let asked = jobs.map(|jobs| jobs.send(Job::MakeRoom(Asker::Local(sender))));
        if !matches!(asked, Some(Ok(()))) {
            return 0;
        }
        receiver.recv_timeout(timeout).unwrap_or(0)
    }
}

impl Mouth {
    fn tell(&self, command: Command) {
        // The ear is gone only while the hub is ending.
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}

impl Threads {
    fn start(shared: &Arc<Shared>, listener: Arc<Listener>) -> Result<Self> {
        let bell = Arc::new(Bell::new()?);
        let (events, hear_events) = unbounded();
        let (commands, hear_commands) = unbounded();
        let (jobs, hear_jobs) = unbounded();
        let (done, hear_done) = unbounded();
        let (close, hear_close): (_, Receiver<()>) = bounded(0);

        // If a later thread does not start, the ends that go out of scope end the earlier ones.
        let ear = Ear::new(Arc::clone(shared), listener, Arc::clone(&bell), events, hear_commands);
        let mouth = Mouth { commands, bell };
        let desk = Desk::new(Arc::clone(shared), mouth, jobs.clone());
        let shared = Arc::clone(shared);
        let handles = vec![
            spawn("csm-io", move || ear.run())?,
            spawn("csm-hub", move || {
                desk.run(&hear_events, &hear_done, &hear_close);
            })?,
            spawn("csm-mender", move || {
                mender::run(&shared, &hear_jobs, &done);
            })?,
        ];
        Ok(Self { jobs: Some(jobs), close: Some(close), handles })
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        // The ear wakes and finds that nobody will tell it anything any more. The sender must be
        // gone by then.
        let (commands, _) = unbounded();
        self.commands = commands;
        self.bell.ring();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close = None;
        self.jobs = None;
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

/// Whether it is this process that listens there.
fn is_ours(name: &HubName) -> bool {
    let connection = Connection::open(&name.to_string(), Instant::now());
    let peer = connection.ok().flatten().map(|open| open.peer());
    matches!(peer, Some(Ok(peer)) if peer.pid == std::process::id())
}

/// Nothing here leaves what it has locked half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
