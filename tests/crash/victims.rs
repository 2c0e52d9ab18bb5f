//! Those who died before the operation under test began, at a chosen place of one of their own.

use super::actor::Act;
use super::image::{Figures, Image};
use super::labels::tell;
use super::processes::{Change, Process};
use super::rows::Dry;
use super::scene::{Outcome, Scene};
use std::time::Duration;

/// Before which store the victim was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Half of the words of its last change are written.
    MidApply,
    /// All are, and only the sequence says that they are not.
    Clear,
    /// Its pages are taken, and belong to no shard yet.
    Built,
    /// Half of the words of a change of the page area are written.
    MidPages,
    /// All is done, and nobody told of it.
    Untold,
    /// One of two has been told.
    HalfTold,
}

/// Somebody who dies on its way after the moves of a row, before its operation.
pub(crate) struct Victim {
    pub(crate) act: Act,
    pub(crate) spot: Spot,
}

impl Spot {
    pub(crate) fn find(self, labels: &[String]) -> usize {
        let last = |label: &str| labels.iter().rposition(|one| one == label).unwrap();
        match self {
            Self::MidApply => usize::midpoint(last("shard.seal"), last("shard.clear")),
            Self::Clear => last("shard.clear"),
            Self::Untold => labels.iter().position(|one| one == "member.news").unwrap(),
            Self::HalfTold => last("member.news"),
            Self::Built => last("shard.latch"),
            Self::MidPages => usize::midpoint(last("pages.seal"), last("pages.clear")),
        }
    }
}

/// Runs an operation to its end, with everybody else standing still.
pub(crate) fn rehearse(
    scene: &mut Scene,
    begin: impl FnOnce(&mut Scene) -> Outcome<Process>,
) -> Dry {
    let mut actor = begin(scene).unwrap();
    let (image, before) = (Image::take(scene), Figures::of(scene));
    scene.go();
    let change = actor.wait(Duration::from_secs(10));
    assert_eq!(change, Some(Change::Exited(0)), "a rehearsal");
    let trace = scene.control.trace();
    let after = Figures::of(scene);
    let labels = tell(scene.store.segment(), &image, &trace);
    Dry { before, after, trace, labels }
}

/// Prepares a change of one more target and leaves a victim that died in it.
pub(crate) fn leave(scene: &mut Scene, prepare: fn(&mut Scene), spot: Spot) {
    prepare(scene);
    // Who acts changes the first target.
    scene.targets.rotate_right(1);
    scene.control.set_targets(&scene.targets);
    let image = Image::take(scene);
    let dry = rehearse(scene, |scene| scene.begin(Act::Put, &[], "", 0));
    scene.rewind(&image).unwrap();
    let fuel = spot.find(&dry.labels) as u64;
    let mut victim = scene.begin(Act::Put, &[], "kill", fuel).unwrap();
    scene.go();
    let change = victim.wait(Duration::from_secs(10));
    assert_eq!(change, Some(Change::Killed), "a victim");
    let is_sealed = matches!(spot, Spot::MidApply | Spot::Clear);
    let target = &mut scene.targets[0];
    // Sealed is done, and visible, from then on.
    let now = if is_sealed { target.new } else { target.old };
    (target.old, target.new) = (now, now);
    scene.targets.rotate_left(1);
    scene.control.set_targets(&scene.targets);
}
