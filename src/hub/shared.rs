//! What the threads of a hub share with its owner: above all the segment, and how it comes to be.
//!
//! It is made when the first process is admitted or the hub's own attaches, so that its settings can
//! be chosen until then; or taken over from a host that is gone. One that begins with a snapshot is
//! seen by nobody before all of that is read, by a thread of its own.

use super::group::Door;
use super::message::{Referral, Refusal};
use super::will::Will;
use super::{GroupName, HubName, admission, replaced};
use crate::error::{self, Error, Result};
use crate::os::process::ProcessId;
use crate::os::socket::Credentials;
use crate::os::spawn;
use crate::segment::Segment;
use crate::segment::host;
use crate::segment::layout::MAXIMUM_BYTES;
use crate::segment::members::{self, MemberId};
use crate::snapshot::{self, Origin, Progress, Step};
use crate::store::{self, Settings, Store};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

/// Where a snapshot does not fit: so many parts of what there was are tried beyond that.
const MORE: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];
const PARTS: u64 = 32;
/// But at most so many times what is configured.
const MOST: u64 = 2;

/// The segment, and the hub's own slot in it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) segment: Arc<Segment>,
    pub(super) me: MemberId,
    /// What [`store::changes`] was then.
    pub(super) changes: Vec<u64>,
}

/// The segment of a hub, or why there is none.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: HubName,
    /// Those that it looks after, if they are not its process's own workers.
    pub(super) group: Option<(GroupName, Door)>,
    snapshot: Option<PathBuf>,
    plan: Mutex<Plan>,
    changed: Condvar,
    opened: OnceLock<Opened>,
}

/// What holds until there is a segment.
#[derive(Debug)]
struct Plan {
    settings: Settings,
    /// Whether somebody has configured them.
    is_chosen: bool,
    /// The group that the workers shall join instead.
    elsewhere: Option<Referral>,
    reading: Reading,
}

/// How far the snapshot is read.
#[derive(Debug)]
enum Reading {
    Not,
    Now(Progress),
    Failed(Error),
}

impl Shared {
    pub(super) const fn new(
        name: HubName,
        settings: Settings,
        group: Option<(GroupName, Door)>,
        snapshot: Option<PathBuf>,
    ) -> Self {
        let plan = Plan { settings, is_chosen: false, elsewhere: None, reading: Reading::Not };
        Self {
            name,
            group,
            snapshot,
            plan: Mutex::new(plan),
            changed: Condvar::new(),
            opened: OnceLock::new(),
        }
    }

    pub(super) const fn process(&self) -> ProcessId {
        self.name.process()
    }

    /// Whether somebody may come in who has said nothing yet. Of a group, nobody else does; who belongs
    /// to a tree takes longer to find out.
    pub(super) fn check_at_door(&self, peer: Credentials) -> Result<(), Refusal> {
        let is_member = |process| {
            self.opened().is_some_and(|Opened { segment, .. }| {
                let all = members::all(segment.region(), segment.layout());
                all.is_ok_and(|all| all.iter().any(|info| info.process == process))
            })
        };
        self.group.as_ref().map_or(Ok(()), |(name, _)| admission::check_user(name, peer, is_member))
    }

    /// Processes that have members, but for this one.
    pub(super) fn processes(&self) -> HashSet<ProcessId> {
        let all = self.opened().map(|Opened { segment, .. }| {
            members::all(segment.region(), segment.layout()).unwrap_or_default()
        });
        let all = all.unwrap_or_default().into_iter().map(|info| info.process);
        all.filter(|process| *process != self.process()).collect()
    }

    /// The segment if it exists.
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.opened.get()
    }

    /// The segment, which is made now if it does not exist; waits until `deadline` for a snapshot to be
    /// read. What has failed is told once: whoever asks then has it made anew.
    ///
    /// # Errors
    /// [`Error::Reading`] if that takes longer; those of [`store::create_with`] and [`snapshot::read`].
    pub(super) fn open(self: &Arc<Self>, deadline: Instant) -> Result<&Opened> {
        let mut plan = self.plan();
        loop {
            let outcome = self.open_by(&mut plan);
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(outcome, Err(Error::Reading { .. })) || left.is_zero() {
                return outcome;
            }
            let woken = self.changed.wait_timeout(plan, left);
            plan = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same for a guest, which neither waits here nor is told what has failed: that is for who has
    /// begun. `None`: until then it is told nothing, for it would wait without end where that one is busy.
    ///
    /// # Errors
    /// As for `open`.
    pub(super) fn open_for_guest(self: &Arc<Self>) -> Result<Option<&Opened>> {
        // Most guests find it there.
        if let Some(opened) = self.opened() {
            return Ok(Some(opened));
        }
        let mut plan = self.plan();
        match plan.reading {
            Reading::Failed(_) => Ok(None),
            Reading::Not | Reading::Now(_) => self.open_by(&mut plan).map(Some),
        }
    }

    fn open_by(self: &Arc<Self>, plan: &mut Plan) -> Result<&Opened> {
        if let Some(opened) = self.opened() {
            return Ok(opened);
        }
        let progress = match (std::mem::replace(&mut plan.reading, Reading::Not), &self.snapshot) {
            (Reading::Failed(error), _) => return Err(error),
            (Reading::Not, None) => return self.make(plan),
            (Reading::Not, Some(path)) => self.begin_reading(plan, path)?,
            (Reading::Now(progress), _) => progress,
        };
        plan.reading = Reading::Now(progress);
        Err(far(progress))
    }

    fn make(&self, plan: &Plan) -> Result<&Opened> {
        if let Some(Referral { name, .. }) = &plan.elsewhere {
            return Err(Error::Refused(format!("it is to be found by the name \"{name}\"")));
        }
        let opened = self.take(Arc::new(store::create_with(plan.settings)?))?;
        opened.ok_or_else(|| Error::Refused("a new segment has a host".into()))
    }

    fn begin_reading(self: &Arc<Self>, plan: &Plan, path: &Path) -> Result<Progress> {
        // Weak: if nobody waits any more, the name is free at once.
        let (shared, path, settings) = (Arc::downgrade(self), path.to_owned(), plan.settings);
        spawn("csm-snapshot", move || {
            let read = read(&shared, settings, &path);
            if let Some(shared) = shared.upgrade() {
                let taken = read.and_then(|segment| shared.take(segment));
                shared.plan().reading = taken.map_or_else(Reading::Failed, |_| Reading::Not);
                shared.changed.notify_all();
            }
        })?;
        Ok(Progress { step: Step::Check, entries: 0, total: 0, bytes: 0 })
    }

    /// Takes a slot of the segment for the hub, before anybody else can take the last one, and makes
    /// it the host; `None` if another is.
    pub(super) fn take(&self, segment: Arc<Segment>) -> Result<Option<&Opened>> {
        let (region, layout) = (segment.region(), segment.layout());
        let is_gone = |host: &_| replaced::is_gone(&segment, host);
        // Most that ask find another, and need no slot for that.
        if host::current(region, layout)?.is_some_and(|host| !is_gone(&host)) {
            return Ok(None);
        }
        let changes = store::changes(&segment)?;
        let me = members::join(region, layout, self.process(), members::HUB)?;
        match host::claim(region, layout, me, is_gone) {
            Ok(true) => Ok(Some(self.opened.get_or_init(|| Opened { segment, me, changes }))),
            other => {
                members::leave(region, layout, me)?;
                other.map(|_| None)
            }
        }
    }

    /// Lets another be the host, and leaves.
    pub(super) fn resign(&self) {
        let Some(Opened { segment, me, .. }) = self.opened() else {
            return;
        };
        // Its slot was good when it was taken.
        let _ = host::release(segment.region(), *me);
        let _ = members::leave(segment.region(), segment.layout(), *me);
    }

    /// Changes the settings, if there is no segment yet.
    pub(super) fn configure(&self, choose: impl FnOnce(&mut Settings)) -> Result<()> {
        let mut plan = self.plan();
        let mut chosen = plan.settings;
        choose(&mut chosen);
        chosen.layout()?;
        if self.opened().is_some() {
            return Err(Error::AlreadyOpen);
        }
        plan.settings = chosen;
        plan.is_chosen = true;
        Ok(())
    }

    /// The maximum as long as nobody configures another.
    pub(super) fn suggest(&self, maximum: u64) {
        let mut plan = self.plan();
        if !plan.is_chosen {
            plan.settings.maximum = maximum;
        }
    }

    /// The workers shall join that group instead, or no longer.
    pub(super) fn refer(&self, group: Option<Referral>) -> Result<()> {
        // The lock: no segment is made meanwhile.
        let mut plan = self.plan();
        if group.is_some() && self.opened().is_some() {
            return Err(Error::AlreadyOpen);
        }
        plan.elsewhere = group;
        Ok(())
    }

    /// The group that the workers shall join instead.
    pub(super) fn elsewhere(&self) -> Option<Referral> {
        self.plan().elsewhere.clone()
    }

    /// Nothing here leaves it half changed.
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let plan = self.plan.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Whoever has waited for it has gone, and nobody else can be told.
        if let Reading::Failed(error) = &plan.reading {
            error::tell(error);
        }
    }
}

/// How far a reading is. As long as the file is only being checked, there is nothing to be counted.
const fn far(progress: Progress) -> Error {
    match progress {
        Progress { step: Step::Check, .. } => Error::Reading { entries: 0, total: 0 },
        Progress { entries, total, .. } => Error::Reading { entries, total },
    }
}

/// Makes a segment of what is in the snapshot. A memory that was full may have used its room better than
/// it is used here, for the keys are divided anew among the shards: then the next one is a little larger.
fn read(shared: &Weak<Shared>, settings: Settings, path: &Path) -> Result<Arc<Segment>> {
    let mut read = read_into(shared, settings, path);
    for maximum in larger(settings.maximum, snapshot::maximum_of(path)) {
        if !matches!(read, Err(Error::Snapshot { is_too_large: true, .. }))
            || shared.strong_count() == 0
        {
            break;
        }
        read = read_into(shared, Settings { maximum, ..settings }, path);
    }
    read
}

/// What is tried where a maximum is too small: what the former memory had, and then more and more.
fn larger(maximum: u64, former: Option<u64>) -> Vec<u64> {
    let most = maximum.saturating_mul(MOST).min(MAXIMUM_BYTES);
    let from = former.unwrap_or(maximum).clamp(maximum, most);
    let mut sizes = MORE.map(|parts| (from + from / PARTS * parts).min(most)).to_vec();
    sizes.retain(|size| *size > maximum);
    sizes.dedup();
    sizes
}

/// Reads the snapshot, and notes in the segment where its last member is to write the next one.
fn read_into(shared: &Weak<Shared>, settings: Settings, path: &Path) -> Result<Arc<Segment>> {
    let segment = Arc::new(store::create_with(settings)?);
    let (region, layout) = (segment.region(), segment.layout());
    let me = members::join(region, layout, ProcessId::current(), members::HUB)?;
    let store = Store::new(Arc::clone(&segment), me);
    let will = |origin| Will { path: path.to_owned(), origin };
    // Before the rest: that may leave no room for it.
    let stands = Origin::of(path);
    will(stands).write(&store)?;
    let is_wanted = || shared.strong_count() > 0;
    let read = snapshot::read_for(&store, path, &is_wanted, &mut |progress| {
        if let Some(shared) = shared.upgrade() {
            shared.plan().reading = Reading::Now(progress);
        }
    })?;
    let origin = read.map(|read| read.origin);
    if origin != stands {
        // Another has come since, or it has gone. It may have taken all room.
        will(origin).write(&store).map_err(|error| snapshot::unread(path, error))?;
    }
    members::leave(region, layout, me)?;
    drop(store);
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Tag, Value};

    const MAXIMUM: u64 = 16 << 20;

    #[test]
    fn what_does_not_fit_gets_more_room_but_at_most_twice_as_much() {
        for former in [None, Some(0), Some(MAXIMUM)] {
            let sizes = larger(MAXIMUM, former);
            assert_eq!(sizes.first(), Some(&(MAXIMUM + MAXIMUM / 32)));
            assert_eq!(sizes.last(), Some(&(2 * MAXIMUM)));
            assert!(sizes.is_sorted());
        }
        assert_eq!(larger(MAXIMUM, Some(MAXIMUM + 1)).first(), Some(&(MAXIMUM + 1)));
        assert_eq!(larger(MAXIMUM, Some(u64::MAX)), [2 * MAXIMUM]);
        assert_eq!(larger(MAXIMUM_BYTES - 1, None), [MAXIMUM_BYTES]);
        assert!(larger(MAXIMUM_BYTES, None).is_empty());
    }

    #[test]
    fn where_only_the_note_of_the_file_does_not_fit_more_is_tried_as_well() {
        let full = Error::OutOfMemory { need: 1, free: 0, maximum: MAXIMUM };
        let error = snapshot::unread(Path::new("values"), full);
        assert!(matches!(error, Error::Snapshot { is_too_large: true, kept: None, .. }));
        let error = snapshot::unread(Path::new("values"), Error::Closed);
        assert_eq!(error, Error::Closed);
    }

    /// Writes a file that needs more than that, and has nothing to be heard of while it is read.
    fn write_too_much(path: &Path) {
        let segment = Arc::new(store::create(4 * MAXIMUM).unwrap());
        let process = ProcessId::current();
        let me = members::join(segment.region(), segment.layout(), process, 0).unwrap();
        let store = Store::new(segment, me);
        for number in 0..5000_u64 {
            let name = number.to_le_bytes();
            let key = store.key(&name, false).unwrap();
            store.set(&key, &Value::bytes(Tag::Buffer, &[1; 4000])).unwrap();
        }
        snapshot::write(&store, path, &mut |_| {}).unwrap();
    }

    #[test]
    fn more_room_is_tried_only_as_long_as_somebody_waits() {
        let name = format!("csm-shared-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_too_much(&path);
        let settings = Settings { maximum: MAXIMUM, ..Settings::DEFAULT };
        let process = ProcessId::current();
        let shared = Arc::new(Shared::new(HubName::of(process), settings, None, None));
        let wanted = read(&Arc::downgrade(&shared), settings, &path);
        let unwanted = read(&Weak::new(), settings, &path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(wanted.unwrap().layout().maximum, 2 * MAXIMUM);
        assert!(matches!(unwanted, Err(Error::Snapshot { is_too_large: true, .. })));
    }
}
