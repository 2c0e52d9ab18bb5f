//! The hub's mind: what it knows of guests and deaths, and what follows from each event.
//!
//! All of it can be lost: who is attached stands in the segment, and the tick finds by itself
//! whoever died unnoticed.

use super::Mouth;
use super::admission::{self, Host};
use super::deadlines::{Deadlines, Due, TICK};
use super::io::{Command, Event, Guest, GuestId};
use super::mender::{Asker, Done, Job};
use super::message::{self, Code, Malformed, Refusal, Reply, Request, to_bytes};
use super::replaced::take_leave_of;
use super::shared::Shared;
use crate::error::Error;
use crate::os::process::{self, ProcessId};
use crossbeam_channel::{Receiver, Sender, at, select};
use rustix::fd::AsFd as _;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long somebody who has connected may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Visit {
    guest: Arc<Guest>,
    since: Instant,
    admitted: Option<ProcessId>,
}

/// The state of the hub's own thread.
#[derive(Debug)]
pub(super) struct Desk {
    shared: Arc<Shared>,
    ear: Mouth,
    jobs: Sender<Job>,
    visits: HashMap<GuestId, Visit>,
    watched: HashSet<ProcessId>,
    /// Members of a segment that was taken over, as long as they have not come: one may have replaced
    /// its program while nobody could see its connection end.
    missing: HashSet<ProcessId>,
    deadlines: Deadlines,
}

impl Desk {
    /// A desk that nobody has come to yet.
    #[must_use]
    pub(super) fn new(shared: Arc<Shared>, ear: Mouth, jobs: Sender<Job>) -> Self {
        // Who died while a segment had no hub is to be mended after at once.
        let first = if shared.opened().is_some() { Duration::ZERO } else { TICK };
        let missing = shared.processes();
        Self {
            shared,
            ear,
            jobs,
            visits: HashMap::new(),
            watched: HashSet::new(),
            missing,
            deadlines: Deadlines::new(Instant::now() + first),
        }
    }

    /// Does what follows from events, until the hub is closed.
    pub(super) fn run(
        mut self,
        events: &Receiver<Event>,
        done: &Receiver<Done>,
        close: &Receiver<()>,
    ) {
        loop {
            select! {
                recv(events) -> event => match event {
                    Ok(event) => self.on_event(event),
                    Err(_) => return,
                },
                recv(done) -> done => match done {
                    Ok(done) => self.on_done(&done),
                    Err(_) => return,
                },
                recv(at(self.deadlines.next())) -> _ => self.on_time(Instant::now()),
                recv(close) -> _ => return,
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(guest) => self.on_connected(guest),
            Event::Message(id, text) => self.on_message(id, text.as_deref()),
            Event::Closed(id) => self.on_closed(id),
            Event::Died(process) => {
                self.watched.remove(&process);
                self.mend_after(process);
            }
        }
    }

    fn on_connected(&mut self, guest: Arc<Guest>) {
        // Of a group, the ear lets in nobody else.
        if self.shared.group.is_none()
            && let Err(refusal) = admission::check_peer(&Host::current(), guest.peer)
        {
            self.refuse(&guest, refusal);
            return;
        }
        let visit = Visit { guest, since: Instant::now(), admitted: None };
        self.visits.insert(visit.guest.id, visit);
    }

    fn on_message(&mut self, id: GuestId, text: Option<&[u8]>) {
        // Who was refused may still have said something.
        let Some(visit) = self.visits.get(&id) else {
            return;
        };
        let guest = Arc::clone(&visit.guest);
        let text = text.ok_or_else(|| Malformed::Invalid("the message is too long".into()));
        match text.and_then(message::parse) {
            Ok(Request::Hello(hello)) => match admission::check_hello(guest.peer, &hello) {
                Ok(process) => self.admit(&guest, process),
                Err(refusal) => self.refuse(&guest, refusal),
            },
            Ok(Request::Mend) if visit.admitted.is_some() => {
                self.give(Job::MakeRoom(Asker::Guest(guest)));
            }
            Ok(Request::Mend) => {
                let early = Malformed::Invalid("it asks for something else first".into());
                self.refuse(&guest, admission::bad_message(guest.peer, &early));
            }
            Err(malformed) => {
                self.refuse(&guest, admission::bad_message(guest.peer, &malformed));
            }
        }
    }

    fn admit(&mut self, guest: &Arc<Guest>, process: ProcessId) {
        if let Some(referral) = self.shared.elsewhere() {
            let reply = to_bytes(&Reply::Elsewhere(referral));
            let _ = guest.connection.send(&reply, &[]);
            self.forget(guest.id);
            return;
        }
        let opened = match self.shared.open_for_guest() {
            Ok(Some(opened)) => opened,
            // It keeps its place, as in the queue of a hub that is too busy to answer.
            Ok(None) => return,
            Err(Error::Reading { entries, total }) => {
                let reply = to_bytes(&Reply::Reading { entries, total });
                let _ = guest.connection.send(&reply, &[]);
                self.forget(guest.id);
                return;
            }
            Err(error) => {
                let reason = format!("there is no segment: {error}");
                self.refuse(guest, Refusal::new(Code::NoSegment, reason));
                return;
            }
        };
        let mut files = vec![opened.segment.file()];
        files.extend(self.shared.group.as_ref().map(|(_, door)| door.listener.as_fd()));
        if guest.connection.send(&to_bytes(&Reply::welcome()), &files).is_err() {
            self.forget(guest.id);
            return;
        }
        if let Some(visit) = self.visits.get_mut(&guest.id) {
            visit.admitted = Some(process);
        }
        self.missing.remove(&process);
        self.ear.tell(Command::Keep(guest.id));
        self.watch(process);
    }

    /// Has the death of a process reported. Where there are no pidfds, the tick looks after it.
    fn watch(&mut self, process: ProcessId) {
        if self.watched.contains(&process) {
            return;
        }
        let Ok(pidfd) = process::open(process.pid) else {
            return;
        };
        if process.is_dead() {
            // The pidfd may be that of a process that came after it.
            self.mend_after(process);
            return;
        }
        self.watched.insert(process);
        self.ear.tell(Command::Watch(process, pidfd));
    }

    fn refuse(&mut self, guest: &Guest, refusal: Refusal) {
        // Who does not read this is not let in either.
        let _ = guest.connection.send(&to_bytes(&Reply::Refused(refusal)), &[]);
        self.forget(guest.id);
    }

    fn forget(&mut self, id: GuestId) {
        self.visits.remove(&id);
        self.ear.tell(Command::Forget(id));
    }

    /// The end of a connection proves nothing. A death is reported by the pidfd, or seen here; so is
    /// that a process has become another program.
    fn on_closed(&mut self, id: GuestId) {
        let visit = self.visits.remove(&id);
        let Some(process) = visit.and_then(|visit| visit.admitted) else {
            return;
        };
        if self.is_replaced(process) || !self.watched.contains(&process) {
            self.mend_after(process);
        }
    }

    fn on_done(&mut self, done: &Done) {
        if done.is_mended {
            self.deadlines.done(done.process);
        } else {
            self.deadlines.retry(done.process, Instant::now());
        }
    }

    fn on_time(&mut self, now: Instant) {
        for due in self.deadlines.due(now) {
            match due {
                Due::Tick => self.tick(now),
                Due::Mend(process) => self.mend_after(process),
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        let late: Vec<_> = self
            .visits
            .values()
            .filter(|visit| visit.admitted.is_none() && now - visit.since >= HELLO_WITHIN)
            .map(|visit| visit.guest.id)
            .collect();
        for id in late {
            self.forget(id);
        }
        self.look_for_the_missing();
        // While the last round is not over there is no use in asking for another.
        if self.jobs.is_empty() {
            let mut skip = self.watched.clone();
            skip.insert(self.shared.process());
            skip.extend(self.deadlines.waiting());
            self.give(Job::Sweep(skip));
            self.give(Job::Tidy);
        }
    }

    fn look_for_the_missing(&mut self) {
        for process in self.missing.clone() {
            if self.is_replaced(process) {
                self.mend_after(process);
            } else if !process.is_dead() {
                continue;
            }
            self.missing.remove(&process);
        }
    }

    /// What cannot be found out is no reason to take anything from anybody.
    fn is_replaced(&self, process: ProcessId) -> bool {
        let opened = self.shared.opened();
        opened.is_some_and(|opened| take_leave_of(&opened.segment, process).unwrap_or(false))
    }

    fn mend_after(&self, process: ProcessId) {
        self.give(Job::Death(process));
    }

    fn give(&self, job: Job) {
        // The mender is gone only while the hub is ending.
        let _ = self.jobs.send(job);
    }
}
