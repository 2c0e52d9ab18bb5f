//! The crash matrix: each operation, killed and stopped before each of its stores.
//!
//! For every operation (`rows.rs`) and every n from 0 to the number of its stores, a process that
//! runs it is killed before its n-th store, or stopped there and then either continued or killed
//! (`point.rs`). Two processes that read and one that writes go on beside it (`bystanders.rs`). Then
//! nobody may be stuck, the operation must have happened wholly or not at all, everything else must
//! be untouched, and the structure must be sound with nothing leaked (`check.rs`).
//!
//! Rows about locks and watches (`locks.rs`, `deaths.rs`, `watching.rs`) begin with moves of members
//! that the runner plays, of the process itself and of some that are dead by then (`stage.rs`).
//! Afterwards each line must be as before or as after the operation, the requests of the dead gone;
//! whoever lives has heard of each lock that it got and of each change that it watches, once and in
//! order (`judge.rs`).
//!
//! Who hosts the hub (`hosts.rs`) is tried in the same way. The last member to leave writes a snapshot:
//! that needs a segment without anybody else (`wills.rs`).
//!
//! Arguments: parts of the names of the rows that are wanted. `CRASH_STRIDE=a,b`: only every a-th
//! point for kills and every b-th for stops. `CRASH_LABELS=1`: tells what each store is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test, whose failures are panics and whose numbers are small"
)]

mod actor;
mod book;
mod bystanders;
mod cast;
mod check;
mod content;
mod control;
mod deaths;
mod ends;
mod hosts;
mod image;
mod judge;
mod labels;
mod locks;
mod parts;
mod point;
mod prepare;
mod processes;
mod rows;
mod scene;
mod stage;
mod victims;
mod watching;
mod wills;

use control::{BYSTANDERS, Cell};
use image::Image;
use point::{Point, Records, Variant, Visit};
use processes::variable;
use rows::{Dry, Row};
use scene::Scene;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A point that a bystander has shifted is tried again so often.
const TRIES: u32 = 6;
/// A row with more failures than this is given up.
const MAX_FAILURES: u32 = 3;

fn main() -> ExitCode {
    match variable("CRASH_ROLE").as_str() {
        "reader" => bystanders::read(),
        "writer" => bystanders::write(),
        "actor" => actor::act(),
        "ghost" => {}
        _ => return run_matrix(),
    }
    ExitCode::SUCCESS
}

fn run_matrix() -> ExitCode {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let since = Instant::now();
    let mut matrix = Matrix::new();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let rows = [rows::ROWS, ends::ROWS, locks::ROWS, deaths::ROWS, watching::ROWS, hosts::ROWS];
    for row in rows.into_iter().flatten().filter(|row| is_wanted(row.name)) {
        matrix.run_row(row);
    }
    for row in wills::ROWS.iter().filter(|row| is_wanted(row.name)) {
        matrix.run_will(row);
    }
    matrix.report(since.elapsed());
    if matrix.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Matrix {
    scene: Scene,
    base: Image,
    strides: [usize; 2],
    records: Records,
    points: u32,
    passed: u32,
    failed: u32,
}

/// What came of one row.
#[derive(Default)]
struct Tally {
    points: u32,
    shifted: u32,
    failed: u32,
}

impl Matrix {
    fn new() -> Self {
        let scene = Scene::new();
        let base = Image::take(&scene);
        let text = variable("CRASH_STRIDE");
        let mut strides = text.split(',').map(|part| part.parse().unwrap_or(1).max(1));
        let kill = strides.next().unwrap_or(1);
        let stop = strides.next().unwrap_or(kill);
        Self {
            scene,
            base,
            strides: [kill, stop],
            records: Records::default(),
            points: 0,
            passed: 0,
            failed: 0,
        }
    }

    fn run_row(&mut self, row: &Row) {
        let since = Instant::now();
        let (mut image, mut dry) = self.prepare(row);
        let mut tally = Tally::default();
        let is_taken = (row.took)(&dry);
        if !is_taken {
            println!(
                "    FAILED {}: it took another path: {:?}",
                row.name,
                (dry.before, dry.after)
            );
            tally.failed += 1;
        }
        if !is_taken || !variable("CRASH_LABELS").is_empty() {
            println!("    {}", labels::line(&dry.labels));
        }
        for variant in Variant::ALL {
            let stride = self.strides[usize::from(variant != Variant::Kill)];
            for fuel in (0..=dry.trace.len()).step_by(stride) {
                if tally.failed > MAX_FAILURES {
                    break;
                }
                if !self.visit(row, &image, &dry, fuel as u64, variant, &mut tally) {
                    // Nothing that a failure leaves behind may make the next one.
                    self.rebuild();
                    (image, dry) = self.prepare(row);
                }
            }
        }
        if let Err(message) = self.scene.rewind_all(&image) {
            println!("    FAILED {}: {message}", row.name);
            tally.failed += 1;
        }
        self.tell(row.name, dry.trace.len(), &tally, since.elapsed());
    }

    /// Sets everything up for a row, and rehearses it.
    fn prepare(&mut self, row: &Row) -> (Image, Dry) {
        let scene = &mut self.scene;
        scene.rewind(&self.base).unwrap();
        (row.prepare)(scene);
        let image = Image::take(scene);
        // What moves have left in the runner alone is not of the image.
        scene.rewind(&image).unwrap();
        if let Some(victim) = &row.victim {
            let dry = victims::rehearse(scene, |scene| scene.begin(victim.act, row.stage, "", 0));
            scene.victim_at = victim.spot.find(&dry.labels) as u64;
            scene.rewind(&image).unwrap();
        }
        let dry = victims::rehearse(scene, |scene| scene.set_up(row, "", 0));
        (image, dry)
    }

    fn rebuild(&mut self) {
        self.scene = Scene::new();
        self.base = Image::take(&self.scene);
    }

    /// Visits one point; `false` if anything is wrong.
    fn visit(
        &mut self,
        row: &Row,
        image: &Image,
        dry: &Dry,
        fuel: u64,
        variant: Variant,
        tally: &mut Tally,
    ) -> bool {
        let is_end = fuel as usize == dry.trace.len();
        for attempt in 1.. {
            let mut point =
                Point { scene: &mut self.scene, row, image, dry, fuel, records: &mut self.records };
            let visit = point.run(variant);
            tally.points += 1;
            match visit {
                Err(message) => {
                    let before = dry.labels.get(fuel as usize).map_or("the end", String::as_str);
                    println!("    FAILED {} {variant:?} {fuel} ({before}): {message}", row.name);
                    tally.failed += 1;
                    return false;
                }
                Ok(Visit::Hit) => return true,
                Ok(Visit::Finished) if is_end => return true,
                Ok(_) if attempt < TRIES => {}
                Ok(_) => {
                    tally.shifted += 1;
                    return true;
                }
            }
        }
        true
    }

    /// A row of a segment of its own.
    fn run_will(&mut self, row: &wills::Row) {
        let since = Instant::now();
        let mut tally = Tally::default();
        let stores = row.run(self.strides, &mut tally);
        self.tell(row.name, stores, &tally, since.elapsed());
    }

    fn tell(&mut self, name: &str, stores: usize, tally: &Tally, took: Duration) {
        println!(
            "{} {name:<34} {stores:>4} stores {:>5} points {:>3} shifted {:>6.2} s",
            if tally.failed == 0 { "ok    " } else { "FAILED" },
            tally.points,
            tally.shifted,
            took.as_secs_f64(),
        );
        self.points += tally.points;
        if tally.failed == 0 {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    fn report(&mut self, took: Duration) {
        let control = &self.scene.control;
        let slowest = (0..BYSTANDERS).map(|who| control.get_of(Cell::Slowest, who));
        println!("slowest reads {:?} us", slowest.take(2).collect::<Vec<_>>());
        let recoveries = &mut self.records.recoveries;
        recoveries.sort_unstable();
        println!(
            "from a death to a write in the same shard: median {:?}, most {:?}; to mend: most {:?}",
            recoveries.get(recoveries.len() / 2).unwrap_or(&Duration::ZERO),
            recoveries.last().unwrap_or(&Duration::ZERO),
            self.records.mending,
        );
        println!(
            "at a stopped owner's latch for the whole patience: {:?}; the writer {} times, {} us",
            self.records.full_waits,
            control.get(Cell::Busies),
            control.get(Cell::SlowestBusy),
        );
        println!("{} points in {:.1} s", self.points, took.as_secs_f64());
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}
