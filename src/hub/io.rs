//! The hub's ear: a thread that waits for connections, messages and deaths, and knows nothing else.
//!
//! What happens goes into a channel as an [`Event`]; what shall be watched or let go of comes as a
//! [`Command`]. The thread ends when the sender of commands is gone and the bell is rung.

use super::message::{Reply, to_bytes};
use super::shared::Shared;
use crate::error::Result;
use crate::os::poll::{self, Bell, Interest};
use crate::os::process::ProcessId;
use crate::os::socket::{Connection, Credentials, Listener, Received};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustix::fd::{AsFd, OwnedFd};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Number of a connection.
pub(super) type GuestId = u64;

/// Somebody who has connected.
#[derive(Debug)]
pub(super) struct Guest {
    /// Number of the connection.
    pub(super) id: GuestId,
    /// The connection.
    pub(super) connection: Connection,
    /// Who is at the other end.
    pub(super) peer: Credentials,
}

/// What has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody has connected.
    Connected(Arc<Guest>),
    /// Somebody has said something; `None`: too much.
    Message(GuestId, Option<Vec<u8>>),
    /// A connection is closed. A hint that the process may have died.
    Closed(GuestId),
    /// A process has died: the kernel says so.
    Died(ProcessId),
}

/// What shall be done.
#[derive(Debug)]
pub(super) enum Command {
    /// Watch for the death of a process, by its pidfd.
    Watch(ProcessId, OwnedFd),
    /// Let go of a connection.
    Forget(GuestId),
    /// Its process is admitted.
    Keep(GuestId),
}

/// What a readable descriptor stands for.
#[derive(Debug, Clone, Copy)]
enum Source {
    Bell,
    Listener,
    Guest(GuestId),
    Process(ProcessId),
}

/// The thread's own state.
#[derive(Debug)]
pub(super) struct Ear {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    bell: Arc<Bell>,
    events: Sender<Event>,
    commands: Receiver<Command>,
    guests: HashMap<GuestId, Arc<Guest>>,
    /// Those of them that are not admitted yet.
    waiting: HashSet<GuestId>,
    processes: HashMap<ProcessId, OwnedFd>,
    next_id: GuestId,
    is_out_of_descriptors: bool,
}

impl Ear {
    /// How long nobody is accepted after the process ran out of descriptors.
    const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);
    /// How many are accepted in one round.
    const ACCEPTS: u32 = 64;
    /// How many may be in who are not admitted; who comes then waits in the queue of the listener.
    const MOST_WAITING: usize = 256;

    /// An ear that has heard nothing yet.
    #[must_use]
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: Arc<Listener>,
        bell: Arc<Bell>,
        events: Sender<Event>,
        commands: Receiver<Command>,
    ) -> Self {
        Self {
            shared,
            listener,
            bell,
            events,
            commands,
            guests: HashMap::new(),
            waiting: HashSet::new(),
            processes: HashMap::new(),
            next_id: 0,
            is_out_of_descriptors: false,
        }
    }

    /// Listens until the other threads of the hub want no more.
    pub(super) fn run(mut self) {
        loop {
            match self.wait() {
                Ok(ready) => ready.into_iter().for_each(|source| self.hear(source)),
                // Out of memory for the moment, at worst.
                Err(_) => std::thread::sleep(Self::OUT_OF_DESCRIPTORS),
            }
            if !self.obey() {
                return;
            }
        }
    }

    fn wait(&mut self) -> Result<Vec<Source>> {
        let is_full = self.is_out_of_descriptors || self.waiting.len() >= Self::MOST_WAITING;
        let accepting = if is_full { Interest::None } else { Interest::Read };
        let mut sources = vec![Source::Bell, Source::Listener];
        let mut fds = vec![(self.bell.as_fd(), Interest::Read), (self.listener.as_fd(), accepting)];
        for (id, guest) in &self.guests {
            sources.push(Source::Guest(*id));
            fds.push((guest.connection.as_fd(), Interest::Read));
        }
        for (process, pidfd) in &self.processes {
            sources.push(Source::Process(*process));
            fds.push((pidfd.as_fd(), Interest::Read));
        }
        let pause = self.is_out_of_descriptors.then_some(Self::OUT_OF_DESCRIPTORS);
        let ready = poll::wait(&fds, pause)?;
        self.is_out_of_descriptors = false;
        Ok(ready.into_iter().filter_map(|place| sources.get(place).copied()).collect())
    }

    fn hear(&mut self, source: Source) {
        match source {
            Source::Bell => self.bell.silence(),
            Source::Listener => self.accept(),
            Source::Guest(id) => self.receive(id),
            Source::Process(process) => {
                self.processes.remove(&process);
                self.tell(Event::Died(process));
            }
        }
    }

    /// Only so many at a time, and not more than there is room for: whoever knocks without end must
    /// not keep the ear from those who are in.
    fn accept(&mut self) {
        for _ in 0..Self::ACCEPTS {
            if self.waiting.len() >= Self::MOST_WAITING {
                return;
            }
            match self.listener.accept() {
                Ok(Some(connection)) => self.welcome(connection),
                Ok(None) => return,
                Err(_) => {
                    self.is_out_of_descriptors = true;
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, connection: Connection) {
        let Ok(peer) = connection.peer() else { return };
        if let Err(refusal) = self.shared.check_at_door(peer) {
            // Who does not read this is not let in either.
            let _ = connection.send(&to_bytes(&Reply::Refused(refusal)), &[]);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let guest = Arc::new(Guest { id, connection, peer });
        self.guests.insert(id, Arc::clone(&guest));
        self.waiting.insert(id);
        self.tell(Event::Connected(guest));
    }

    fn receive(&mut self, id: GuestId) {
        let Some(guest) = self.guests.get(&id) else {
            return;
        };
        match guest.connection.try_receive() {
            Ok(Received::Nothing) => {}
            Ok(Received::Message(text, _)) => self.tell(Event::Message(id, Some(text))),
            Ok(Received::TooLong) => self.tell(Event::Message(id, None)),
            Ok(Received::Closed) | Err(_) => {
                self.guests.remove(&id);
                self.waiting.remove(&id);
                self.tell(Event::Closed(id));
            }
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens only while the hub is ending.
        let _ = self.events.send(event);
    }

    /// Does what was asked; `false` if this is the end.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Watch(process, pidfd)) => {
                    self.processes.insert(process, pidfd);
                }
                Ok(Command::Forget(id)) => {
                    self.guests.remove(&id);
                    self.waiting.remove(&id);
                }
                Ok(Command::Keep(id)) => {
                    self.waiting.remove(&id);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }
}
