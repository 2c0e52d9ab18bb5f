//! The members that the runner plays, and what it knows about their locks and watches.

use super::book::Line;
use super::content::Content;
use super::image::Image;
use super::parts::Part;
use super::processes::Process;
use super::scene::Outcome;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::wake;
use std::sync::Arc;
use std::time::Duration;

/// Those who make moves, and one more that takes locks while others are stopped.
pub(crate) const PLAYERS: usize = 4;
const PROBER: usize = 3;
/// The ghost that has said goodbye.
const LEFT: usize = 2;

/// All who live in the runner's process, and the dead.
pub(crate) struct Cast {
    pub(crate) players: Vec<Part>,
    ghosts: [Option<Part>; 3],
    /// Keys that the row's moves are about.
    pub(crate) names: Vec<u64>,
    /// Who has and wants their locks.
    pub(crate) book: Vec<Line>,
    /// The same when nobody had been told of anything yet.
    pub(crate) known: Vec<Line>,
    /// Who of the players watches which key.
    pub(crate) watches: Vec<(usize, u64)>,
    /// What the first target was set to by moves.
    pub(crate) changes: Vec<Content>,
    /// Tickets that had to wait since the image was taken.
    pub(crate) asked: Vec<u64>,
    /// Those whose owners are not to be told.
    pub(crate) untold: Vec<u64>,
    /// Records in the log of the shard under test when the moves had been made.
    pub(crate) log_head: u64,
    /// Words of processes that died on their own way to the image.
    pub(crate) victims: Vec<u64>,
    /// The word of the player that hosts the hub.
    pub(crate) host: Option<u64>,
    /// A process that is dead.
    gone: ProcessId,
}

impl Cast {
    /// The players join.
    pub(crate) fn new(segment: &Arc<Segment>) -> Self {
        let join = |_| join(segment, ProcessId::current());
        Self {
            players: (0..PLAYERS).map(join).collect(),
            ghosts: [const { None }; 3],
            names: Vec::new(),
            book: Vec::new(),
            known: Vec::new(),
            watches: Vec::new(),
            changes: Vec::new(),
            asked: Vec::new(),
            untold: Vec::new(),
            log_head: 0,
            victims: Vec::new(),
            host: None,
            gone: gone(),
        }
    }

    /// Everybody is as when an image was taken.
    pub(crate) fn rewind(&mut self, segment: &Arc<Segment>, image: &Image) {
        for player in &mut self.players {
            *player = Part::new(segment, player.me(), 1);
        }
        self.ghosts = [const { None }; 3];
        self.names.clone_from(&image.names);
        self.book.clone_from(&image.book);
        self.victims.clone_from(&image.victims);
        self.watches.clear();
        self.changes.clear();
        self.asked.clear();
        self.untold.clear();
        self.host = None;
    }

    /// The keys of a row.
    pub(crate) fn set_names(&mut self, names: Vec<u64>) {
        self.book = vec![Line::default(); names.len()];
        self.names = names;
    }

    /// A member whose process is dead; it joins when it is first needed.
    pub(crate) fn ghost(&mut self, segment: &Arc<Segment>, which: usize) -> &mut Part {
        let process = if which == LEFT { ProcessId::current() } else { self.gone };
        self.ghosts[which].get_or_insert_with(|| join(segment, process))
    }

    /// The words of those who are gone, or will be when they are mended after.
    pub(crate) fn dead(&self) -> Vec<u64> {
        let ghosts = self.ghosts.iter().flatten().map(|ghost| ghost.me().to_word());
        ghosts.chain(self.victims.iter().copied()).collect()
    }

    /// All that the dead have left is mended.
    pub(crate) fn bury(&mut self) {
        let dead = self.dead();
        self.book.iter_mut().for_each(|line| line.bury(&dead));
        self.ghosts = [const { None }; 3];
        self.victims.clear();
    }

    pub(crate) fn prober(&mut self) -> &mut Part {
        &mut self.players[PROBER]
    }

    /// The player whose word that is.
    pub(crate) fn player_of(&self, word: u64) -> Option<usize> {
        self.players.iter().position(|player| player.me().to_word() == word)
    }

    /// What moves have granted is heard, and nobody has been told of anything yet.
    pub(crate) fn set_out(&mut self) -> Outcome {
        self.known.clone_from(&self.book);
        for player in &mut self.players {
            player.look_at_locks(u64::MAX)?;
            player.forget();
            let (segment, me) = (player.store.segment(), player.me());
            wake::take_news(segment, me).unwrap();
            while wake::settle_member(segment, me).unwrap() != 0 {}
        }
        Ok(())
    }
}

fn join(segment: &Arc<Segment>, process: ProcessId) -> Part {
    let me: MemberId = members::join(segment.region(), segment.layout(), process, 0).unwrap();
    Part::new(segment, me, 1)
}

/// A process that has ended.
pub(crate) fn gone() -> ProcessId {
    let mut process = Process::start("ghost", &[]);
    let id = ProcessId::of(process.pid()).unwrap();
    process.wait(Duration::from_secs(10)).unwrap();
    id
}
