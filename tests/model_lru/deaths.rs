//! Killed before any of its stores, an operation has happened wholly or not at all: `cargo test
//! --release --no-default-features --features faults --test model_lru`. A death is an unwinding here.

use crate::support::{estate, forget_all, get, inherit_all, join, new_segment, remove, set, uses};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::fault::{self, Then};
use cluster_shared_memory::lru::{Lru, Options};
use cluster_shared_memory::repair;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::store::Store;
use cluster_shared_memory::verify::verify;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A cache of the keys 4 to 11, each as long as 1, with room for more; some values are in runs.
struct Scene {
    segment: Arc<Segment>,
    victim: (Lru, MemberId),
    survivor: (Lru, MemberId),
}

type State = (Vec<(u8, u64)>, Vec<(u8, u64)>);

const OPTIONS: Options = Options {
    max: 8.0,
    max_age: 100.0,
    stale: false,
    no_dispose_on_set: false,
    update_age_on_get: true,
    disposes: false,
    measures: false,
};

impl Scene {
    fn new(has_heir: bool) -> Self {
        let segment = new_segment(16 << 20);
        let (victim, survivor) = (join(&segment), join(&segment));
        survivor.0.set_options(&Options { disposes: has_heir, ..OPTIONS }).unwrap();
        for key in 4..12 {
            set(&survivor.0, key, &vec![key; if key % 2 == 0 { 20 } else { 5000 }], None, 0.0);
        }
        Self { segment, victim, survivor }
    }

    fn state(&self) -> State {
        (uses(&self.segment), estate(&self.segment))
    }

    /// What is found after the victim is gone.
    fn take_over(&self) -> State {
        let (survivor, me) = &self.survivor;
        members::abandon(self.segment.region(), self.segment.layout(), self.victim.1).unwrap();
        repair::mend(&self.segment, *me, self.victim.1).unwrap();
        // Whatever is free is somebody else's at once.
        let store = Store::new(Arc::clone(&self.segment), *me);
        let key = store.key(b"other", false).unwrap();
        for pages in [2_usize, 3, 1] {
            store.set(&key, &Value::bytes(Tag::Buffer, &vec![1; pages << 12])).unwrap();
        }
        assert!(store.remove(&key).unwrap() && !remove(survivor, 200));
        verify(&self.segment).unwrap();
        let state = self.state();
        inherit_all(survivor);
        forget_all(survivor);
        let census = verify(&self.segment).unwrap();
        assert_eq!(census.entries as usize, state.0.len());
        set(survivor, 100, &[1; 6000], None, 0.0);
        assert_eq!(get(survivor, 100, 0.0), Some(vec![1; 6000]));
        verify(&self.segment).unwrap();
        state
    }
}

/// Runs an operation of the victim with every amount of fuel until it comes to its end.
fn die_everywhere<T>(has_heir: bool, prepare: fn(&Lru), operation: fn(&Lru) -> T) {
    let scene = || {
        let scene = Scene::new(has_heir);
        prepare(&scene.survivor.0);
        scene
    };
    let before = scene().state();
    let whole = scene();
    operation(&whole.victim.0);
    let after = whole.take_over();
    let mut states = Vec::new();
    for stores in 0.. {
        let scene = scene();
        fault::set_fuel(stores, Then::Unwind);
        let ended = catch_unwind(AssertUnwindSafe(|| operation(&scene.victim.0)));
        let has_died = fault::is_dead();
        fault::disarm();
        assert_eq!(ended.is_err(), has_died);
        if !has_died {
            break;
        }
        let state = scene.take_over();
        assert!(state == before || state == after, "{stores}: {state:?} {before:?} {after:?}");
        states.push(state == after);
    }
    assert!(states.len() > 10, "only {} stores", states.len());
    // Not at the same store in each scene: chains are as the random key of the hash has them.
    let has_changed = states.first() == Some(&false) && states.last() == Some(&true);
    assert!(before == after || has_changed, "{states:?}");
}

fn nothing(_: &Lru) {}

#[test]
fn a_get_moves_an_entry_or_does_not() {
    die_everywhere(false, nothing, |lru| get(lru, 6, 50.0));
    die_everywhere(false, nothing, |lru| get(lru, 5, 50.0));
}

#[test]
fn a_get_removes_what_has_expired_or_does_not() {
    die_everywhere(false, nothing, |lru| get(lru, 6, 500.0));
    die_everywhere(true, nothing, |lru| get(lru, 7, 500.0));
}

#[test]
fn a_stale_entry_is_given_and_removed_or_not() {
    let prepare = |lru: &Lru| {
        lru.set_options(&Options { stale: true, ..OPTIONS }).unwrap();
        set(lru, 5, &[5; 5000], None, 0.0);
    };
    die_everywhere(false, prepare, |lru| get(lru, 5, 500.0));
}

#[test]
fn a_removal_happens_or_does_not() {
    for has_heir in [false, true] {
        die_everywhere(has_heir, nothing, |lru| assert!(remove(lru, 7)));
        die_everywhere(has_heir, nothing, |lru| assert!(remove(lru, 4)));
    }
}

#[test]
fn a_set_over_another_happens_or_does_not() {
    for has_heir in [false, true] {
        die_everywhere(has_heir, nothing, |lru| set(lru, 6, &[0; 9000], None, 50.0));
        die_everywhere(has_heir, nothing, |lru| set(lru, 7, b"short", None, 50.0));
    }
}

#[test]
fn a_set_that_evicts_happens_or_does_not() {
    for has_heir in [false, true] {
        die_everywhere(has_heir, nothing, |lru| set(lru, 20, b"new", None, 50.0));
        die_everywhere(has_heir, nothing, |lru| set(lru, 20, &[1; 5000], Some(2.0), 50.0));
    }
}

#[test]
fn a_set_that_evicts_many_is_finished_by_others() {
    for has_heir in [false, true] {
        die_everywhere(has_heir, nothing, |lru| set(lru, 20, &[1; 5000], Some(8.0), 50.0));
        die_everywhere(has_heir, nothing, |lru| set(lru, 9, b"", Some(7.0), 50.0));
    }
}

#[test]
fn what_is_too_long_goes_or_does_not() {
    for has_heir in [false, true] {
        die_everywhere(has_heir, nothing, |lru| set(lru, 7, &[1; 5000], Some(9.0), 50.0));
    }
    die_everywhere(true, nothing, |lru| set(lru, 20, &[1; 5000], Some(9.0), 50.0));
}

#[test]
fn new_options_come_or_do_not() {
    let prepare = |lru: &Lru| assert!(remove(lru, 5));
    die_everywhere(true, prepare, |lru| lru.set_options(&OPTIONS).unwrap());
}

#[test]
fn the_past_is_forgotten_bit_by_bit() {
    let prepare = |lru: &Lru| {
        lru.set_options(&OPTIONS).unwrap();
        set(lru, 30, b"", None, 0.0);
    };
    die_everywhere(true, prepare, |lru| lru.sweep_old().unwrap());
    die_everywhere(true, prepare, |lru| set(lru, 7, &[1; 5000], None, 50.0));
}

#[test]
fn expired_entries_go_or_do_not() {
    let prepare = |lru: &Lru| (7..12).for_each(|key| drop(get(lru, key, 90.0)));
    for has_heir in [false, true] {
        die_everywhere(has_heir, prepare, |lru| lru.sweep_expired_at(16, 150.0).unwrap());
    }
}

#[test]
fn an_heir_may_die() {
    let prepare = |lru: &Lru| {
        for key in [4, 5] {
            assert!(remove(lru, key));
        }
    };
    let scene = || {
        let scene = Scene::new(false);
        scene.victim.0.set_options(&Options { disposes: true, ..OPTIONS }).unwrap();
        for key in 4..9 {
            set(&scene.survivor.0, key, &vec![key; 5000], None, 0.0);
        }
        prepare(&scene.survivor.0);
        scene
    };
    for stores in 0..30 {
        let scene = scene();
        fault::set_fuel(stores, Then::Unwind);
        let ended = catch_unwind(AssertUnwindSafe(|| inherit_all(&scene.victim.0)));
        fault::disarm();
        assert!(ended.is_err());
        let (uses, estate) = scene.take_over();
        assert_eq!((uses.len(), estate.len()), (3, 0), "{stores}");
    }
}

#[test]
fn who_makes_room_in_a_full_segment_may_die() {
    let scene = || {
        let scene = Scene::new(false);
        let (lru, _) = &scene.survivor;
        lru.set_options(&Options { max: 0.0, ..OPTIONS }).unwrap();
        forget_all(lru);
        let name = |number: u64| (number * 7919 % 20_000).to_le_bytes();
        for number in 0..12_000 {
            let (name, value) = (name(number), Value::bytes(Tag::Buffer, &[1; 1000]));
            lru.set_at(&lru.key(&name, false).unwrap(), &value, None, 0.0).unwrap();
        }
        for number in 0..12_000 {
            let name = name(number * 7);
            let key = lru.key(&name, false).unwrap();
            lru.get_at(&key, &mut crate::support::scratch(), 0.0).unwrap();
        }
        scene
    };
    for stores in (0..).step_by(61) {
        let scene = scene();
        let (survivor, me) = &scene.survivor;
        fault::set_fuel(stores, Then::Unwind);
        let ended =
            catch_unwind(AssertUnwindSafe(|| set(&scene.victim.0, 20, &[1; 90], None, 0.0)));
        fault::disarm();
        if ended.is_ok() {
            assert!(stores > 1000, "only {stores} stores");
            break;
        }
        members::abandon(scene.segment.region(), scene.segment.layout(), scene.victim.1).unwrap();
        assert!(!remove(survivor, 200), "passes through the latch");
        repair::mend(&scene.segment, *me, scene.victim.1).unwrap();
        verify(&scene.segment).unwrap();
    }
}
