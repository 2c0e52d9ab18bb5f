//! Watching keys, and hearing of their changes. (All rows of `rows.rs` that leave records have a
//! watcher too.)

use super::actor::Act;
use super::deaths::watched_names;
use super::prepare::{NONE, SAME, SMALL, watched};
use super::rows::{Dry, Row};
use super::stage::{A, P0, P1, P2};

/// Records that a shard's log holds.
const RING: usize = 256;

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "listen, first of the shard",
        |scene| watched_names(scene, 0, 1),
        |dry| dry.count("LOG_BACKED") == 1 && dry.count("WATCHED") == 1,
    )
    .act(Act::Listen)
    .watching(),
    Row::new(
        "listen, another key",
        |scene| watched_names(scene, 0, 3),
        |dry| dry.count("LOG_BACKED") == 0 && dry.count("WATCHED") == 1,
    )
    .stage(&[A.watch(1), P0.watch(2)])
    .act(Act::Listen)
    .watching(),
    Row::new("listen no more", |scene| watched_names(scene, 0, 3), is_refiltered)
        .stage(&[A.watch(0), A.watch(1), P0.watch(2)])
        .act(Act::Unlisten)
        .watching(),
    Row::new(
        "listen no more, last of the shard",
        |scene| watched_names(scene, 0, 2),
        is_refiltered,
    )
    .stage(&[A.watch(0), P0.watch(1)])
    .act(Act::Unlisten)
    .watching(),
    Row::new(
        "remove, watched, not there",
        |scene| watched(scene, NONE, NONE),
        |dry| is_logged(dry) && dry.after.log_kept > dry.before.log_kept && tells(dry, 1),
    )
    .logged(),
    Row::new(
        "set, three watch",
        |scene| watched(scene, SMALL, SAME),
        |dry| is_logged(dry) && tells(dry, 3),
    )
    .logged()
    .stage(&[P0.watch(0), P1.watch(0), P2.watch(0)]),
    Row::new(
        "remove, two watch",
        |scene| watched(scene, SMALL, NONE),
        |dry| is_logged(dry) && tells(dry, 2),
    )
    .logged()
    .stage(&[P0.watch(0), P1.watch(0)]),
    Row::new(
        // It is not woken for what it does itself.
        "set, the watcher itself",
        |scene| watched(scene, SMALL, SAME),
        |dry| is_logged(dry) && dry.count("member.news") == 2 && dry.count("member.wake") == 1,
    )
    .logged()
    .stage(&[P0.watch(0), A.watch(0)]),
    Row::new(
        "set, watched, far behind",
        |scene| watched(scene, SMALL, SAME),
        |dry| is_logged(dry) && dry.after.log_tail == dry.before.log_tail + 1,
    )
    .logged()
    .stage(&[P0.watch(0), P1.put().times(RING)]),
];

fn is_refiltered(dry: &Dry) -> bool {
    dry.count("WATCHED") == 1 && dry.count("shard.latch") == 1
}

fn is_logged(dry: &Dry) -> bool {
    dry.after.log_head == dry.before.log_head + 1
}

fn tells(dry: &Dry, members: usize) -> bool {
    dry.count("member.news") == members && dry.count("member.wake") == members
}
