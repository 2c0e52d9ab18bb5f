//! A member: one JavaScript environment (a main thread or a `worker_thread`), attached.
//!
//! A process connects and maps once (`link.rs`), to the hub of its primary (`tree.rs`) or of those that
//! share by a name (`group.rs`); each of its environments has a slot of its own and,
//! from when it first wants to hear of something, a wake thread (`waker.rs`).

mod found;
mod greeting;
mod group;
mod link;
mod news;
mod stay;
mod tree;
mod waker;

pub use group::Beginnings;
pub use news::News;
pub use tree::is_there;
pub use waker::{Listener, Notice, Waker};

use crate::error::{Error, Result};
use crate::hub::{GroupName, Hub, HubName};
use crate::latch::PATIENCE;
use crate::locks::{self, Locks, Spinner, Ticket};
use crate::lru::Lru;
use crate::os::process::ProcessId;
use crate::segment::Segment;
use crate::segment::members::{self, MemberId};
use crate::store::Store;
use crate::wake;
use crate::watches::{self, Watches};
use dashmap::DashMap;
use link::{Entered, Link, Way};
use stay::Stay;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// The attached members of this process, by segment (its address here) and slot.
static MEMBERS: LazyLock<DashMap<(usize, u64), Arc<Waker>>> = LazyLock::new(DashMap::new);

/// How long the hub may take to mend after the dead when all slots are taken.
const ROOM_WITHIN: Duration = Duration::from_secs(2);

/// How a process comes to the segment.
#[derive(Debug, Clone)]
pub enum Role<'h> {
    /// It hosts the hub.
    Primary(&'h Hub),
    /// It asks the hub of this name; see [`HubName::expected`].
    Worker(HubName),
    /// It joins the group of this name, or begins it.
    Group(GroupName, Beginnings),
}

/// An attached environment. Dropping it says goodbye: its slot is free for another.
#[derive(Debug)]
pub struct Member {
    store: Store,
    locks: Locks,
    watches: Watches,
    lru: Lru,
    /// Tickets that were granted, and whether the lock was abandoned: still to be told.
    granted: VecDeque<(Ticket, bool)>,
    /// How often it has looked everywhere.
    looks: u32,
    waker: Arc<Waker>,
    /// Dropped last: when the slot is free.
    stay: Option<Stay>,
}

impl Member {
    /// Attaches an environment; `None` if no hub answers within `timeout`, or none listens yet.
    /// `thread` is the number of its thread in its process, 0 for the main one.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::LayoutMismatch`]: the hub says no, is not the one that this
    /// process expects, or is of another layout; [`Error::TooManyMembers`]; those of
    /// [`Hub::segment`]; [`Error::System`].
    pub fn attach(how: &Role<'_>, thread: u64, timeout: Duration) -> Result<Option<Self>> {
        match how {
            Role::Primary(hub) if hub.is_here() => {
                let segment = hub.segment(Instant::now() + timeout)?;
                Self::join(&segment, None, thread, || _ = hub.make_room(ROOM_WITHIN)).map(Some)
            }
            Role::Primary(hub) => Self::attach_to_tree(hub.name(), thread, timeout),
            Role::Worker(name) => Self::attach_to_tree(name, thread, timeout),
            Role::Group(name, beginnings) => {
                Self::attach_to_group(name.clone(), beginnings, thread, timeout)
            }
        }
    }

    fn attach_to_tree(name: &HubName, thread: u64, timeout: Duration) -> Result<Option<Self>> {
        let link = Link::of(Way::Tree(name.clone()));
        match link.enter(&Beginnings::default(), Instant::now() + timeout)? {
            Some(Entered::Stay(stay)) => Self::join_by(stay, thread).map(Some),
            Some(Entered::Elsewhere(referral)) => {
                let (name, beginnings) = group::of_primary(referral)?;
                Self::attach_to_group(name, &beginnings, thread, timeout)
            }
            // A hub of another layout has another name, and so does not answer either.
            None => match name.other_layout() {
                Some(theirs) => Err(Error::LayoutMismatch { ours: name.layout(), theirs }),
                None => Ok(None),
            },
        }
    }

    fn attach_to_group(
        name: GroupName,
        beginnings: &Beginnings,
        thread: u64,
        timeout: Duration,
    ) -> Result<Option<Self>> {
        match Link::of(Way::Group(name)).enter(beginnings, Instant::now() + timeout)? {
            Some(Entered::Stay(stay)) => Self::join_by(stay, thread).map(Some),
            Some(Entered::Elsewhere(_)) | None => Ok(None),
        }
    }

    fn join_by(stay: Stay, thread: u64) -> Result<Self> {
        let (link, segment) = (stay.link().cloned(), Arc::clone(&stay.segment));
        let make_room = || _ = link.and_then(|link| link.make_room(ROOM_WITHIN));
        Self::join(&segment, Some(stay), thread, make_room)
    }

    /// Takes a slot; if there is none, has room made once.
    fn join(
        segment: &Arc<Segment>,
        stay: Option<Stay>,
        thread: u64,
        make_room: impl FnOnce(),
    ) -> Result<Self> {
        let process = ProcessId::current();
        let join = || members::join(segment.region(), segment.layout(), process, thread);
        let id = match join() {
            Err(Error::TooManyMembers { .. }) => {
                make_room();
                join()?
            }
            id => id?,
        };
        let waker = Arc::new(Waker::new(Arc::clone(segment), id)?);
        MEMBERS.insert(key(segment, id), Arc::clone(&waker));
        let spinner = Spinner::new(std::thread::available_parallelism().map_or(1, usize::from));
        Ok(Self {
            store: Store::new(Arc::clone(segment), id),
            locks: Locks::new(Arc::clone(segment), id, spinner),
            watches: Watches::new(Arc::clone(segment), id),
            lru: Lru::new(Arc::clone(segment), id),
            granted: VecDeque::new(),
            looks: 0,
            waker,
            stay,
        })
    }

    /// The store as this member sees it.
    #[inline]
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The locks as this member sees them.
    #[inline]
    pub const fn locks(&mut self) -> &mut Locks {
        &mut self.locks
    }

    /// The keys that this member watches.
    #[inline]
    pub const fn watches(&mut self) -> &mut Watches {
        &mut self.watches
    }

    /// The cache as this member sees it.
    #[inline]
    #[must_use]
    pub const fn lru(&self) -> &Lru {
        &self.lru
    }

    /// From now on it spins for locks only if the process may use more than one processor.
    pub const fn use_processors(&mut self, processors: usize) {
        self.locks.set_spinner(Spinner::new(processors));
    }

    /// The name of the group that it is in.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        self.stay.as_ref()?.link()?.group()
    }

    /// The slot and generation of this member.
    #[must_use]
    pub const fn id(&self) -> MemberId {
        self.store.member()
    }

    /// Has `listener` called with this member's notices, on a thread that is started by the first
    /// call; later calls do nothing.
    ///
    /// # Errors
    /// [`Error::System`] if there can be no more threads.
    pub fn listen(&self, listener: Listener) -> Result<()> {
        self.waker.listen(listener)
    }

    /// What the member's other threads may wake it by.
    #[must_use]
    pub const fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    /// Says goodbye. The last one of a group writes its snapshot; gives what people should know of that.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::write`]; it has left all the same.
    pub fn leave(mut self) -> Result<Option<String>> {
        let stay = self.stay.take();
        drop(self);
        stay::for_people(stay.map_or(Ok(Vec::new()), Stay::leave))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let segment = self.store.segment();
        // In this order: nobody of this process wakes the slot's next user, whose word it then is.
        MEMBERS.remove(&key(segment, self.id()));
        self.waker.stop();
        let (region, layout, me) = (segment.region(), segment.layout(), self.id());
        let given_up = locks::give_up_all(segment, me, me, PATIENCE)
            .and_then(|()| watches::end_all(segment, me, me, PATIENCE));
        // What cannot be given up now, for somebody is stopped under a latch, is left to the hub.
        let had_duties = self.lru.has_duties().unwrap_or(false);
        // The slot was good when it was taken.
        let _ = match given_up {
            Ok(()) => members::leave(region, layout, me),
            Err(_) => members::abandon(region, layout, me),
        };
        if had_duties {
            // Another may take them over.
            let _ = wake::rouse_all(segment, wake::REPAIRED);
        }
    }
}

/// Has this process wait for no hub and no segment any more; who still wants one asks anew. If others have
/// come and gone meanwhile, it writes what they have left; gives the same as [`Member::leave`].
///
/// # Errors
/// Those of [`crate::snapshot::write`]; it waits no more all the same.
pub fn let_go() -> Result<Option<String>> {
    // All of them, whatever one fails with.
    let outcomes: Vec<_> = Link::all().iter().map(|link| link.let_go()).collect();
    let told: Vec<_> = outcomes.into_iter().map(stay::for_people).collect::<Result<_>>()?;
    Ok(told.into_iter().flatten().next())
}

/// As [`let_go()`], for whom nobody waits: what people should know is said on stderr.
pub fn let_go_quietly() {
    stay::tell(let_go());
}

/// The name that the hub of this name has told its worker to share by instead.
#[must_use]
pub fn referred(name: &HubName) -> Option<String> {
    Link::of(Way::Tree(name.clone())).referred()
}

/// Passes a notice on to all members of this process that have this mapping of the segment.
fn notify(segment: &Arc<Segment>, notice: Notice) {
    for waker in MEMBERS.iter().filter(|waker| waker.is_of(segment)) {
        waker.notify(notice);
    }
}

fn key(segment: &Arc<Segment>, id: MemberId) -> (usize, u64) {
    (Arc::as_ptr(segment).addr(), id.slot())
}
