//! What a store is, from its offset: the rows of the table in `docs/design.md`.

use super::image::Image;
use cluster_shared_memory::entry::word;
use cluster_shared_memory::heap::blocks::class_bytes;
use cluster_shared_memory::heap::{fact::Fact, pages};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::{
    CLASSES, LOCK_SEATS, LOG_RECORD, MEMBERS, PAGE, domain, header, member, namespace, shard, span,
    table,
};
use cluster_shared_memory::segment::region::Offset;
use std::collections::{HashMap, HashSet};

type Names = &'static [(u64, &'static str)];

const DOMAIN: Names = &[
    (domain::LATCH, "latch"),
    (domain::SEQUENCE, "sequence"),
    (domain::INTENT_COUNT, "intent.count"),
];
const SHARD: Names = &[
    (shard::VERSION, "VERSION"),
    (shard::BUCKETS, "BUCKETS"),
    (shard::BUCKETS_BACKED, "BUCKETS_BACKED"),
    (shard::ENTRIES, "ENTRIES"),
    (shard::BYTES_USED, "BYTES_USED"),
    (shard::WATCHED, "WATCHED"),
    (shard::SPANS_GIVEN_BACK, "SPANS_GIVEN_BACK"),
    (shard::LOG_HEAD, "LOG_HEAD"),
    (shard::LOG_TAIL, "LOG_TAIL"),
    (shard::LOG_KEPT, "LOG_KEPT"),
    (shard::LOG_BACKED, "LOG_BACKED"),
    (shard::EXPIRING, "EXPIRING"),
    (shard::PACKAGE, "package.ENTRIES"),
    (shard::PACKAGE + 8, "package.BYTES"),
    (shard::LOCK_TABLE + table::BUCKETS, "LOCK_BUCKETS"),
    (shard::LOCK_TABLE + table::BACKED, "LOCK_BUCKETS_BACKED"),
    (shard::LOCK_TABLE + table::ENTRIES, "LOCK_ENTRIES"),
    (shard::NEXT_SEAT, "NEXT_SEAT"),
];
const MEMBER: Names = &[
    (member::IDENTITY, "member.identity"),
    (member::START_TIME, "member.start"),
    (member::THREAD, "member.thread"),
    (member::WATCHES, "member.watches"),
    (member::WATCHED, "member.watched"),
    (member::CLAIMS, "member.claims"),
    (member::NEWS, "member.news"),
    (member::WAKE, "member.wake"),
    (member::BUILDING, "member.note(run)"),
    (member::BUILDING + 8, "member.note(span)"),
    (member::HAZARD, "member.hazard"),
    (member::READS, "member.reads"),
    (member::WRITES, "member.writes"),
    (member::LATCH_WAITS, "member.waits"),
];
const SPAN: Names = &[
    (span::FREE, "span.FREE"),
    (span::COUNTS, "span.COUNTS"),
    (span::NEXT, "span.NEXT"),
    (span::PREVIOUS, "span.PREVIOUS"),
];
const ENTRY: Names = &[
    (word::LINK, "block.link"),
    (word::STAMP, "block.stamp"),
    (word::EXPIRY, "block.expiry"),
    (word::META, "block.meta"),
    (word::LENGTH, "block.length"),
    (word::KEY, "block.key"),
];

fn named(names: Names, at: u64) -> Option<String> {
    let found = names.iter().find(|(offset, _)| *offset == at);
    found.map(|(_, name)| (*name).to_owned())
}

/// What the word at `offset` is, or was when the image was taken.
pub(crate) fn classify(segment: &Segment, image: &Image, offset: u64) -> String {
    let layout = segment.layout();
    let at = |start: Offset| offset.wrapping_sub(start.bytes());
    if let Some(name) = in_front(segment, offset) {
        return name;
    }
    if at(layout.shard(0)) < (layout.cache() + 1) * shard::BYTES {
        let field = at(layout.shard(0)) % shard::BYTES;
        return in_domain("shard", field).unwrap_or_else(|| in_shard(field));
    }
    let (namespaces, length) = layout.namespaces_range();
    if offset.wrapping_sub(namespaces) < length {
        let part = if offset.is_multiple_of(namespace::BYTES) { "ENTRIES" } else { "BYTES" };
        return format!("namespace.{part}");
    }
    if at(layout.fact(0)) < layout.pages * 8 {
        return "fact".to_owned();
    }
    if at(layout.span(0)) < layout.pages / layout.span_pages * span::BYTES {
        let field = at(layout.span(0)) % span::BYTES;
        return named(SPAN, field).unwrap_or_else(|| format!("span+{field}"));
    }
    let cache = layout.table(layout.cache());
    if offset < cache.buckets.word(cache.reserved).bytes() {
        return "bucket".to_owned();
    }
    if offset < layout.page(0).bytes() {
        let part = if offset.is_multiple_of(LOG_RECORD) { "block" } else { "version" };
        return format!("log.{part}");
    }
    in_area(segment, image, offset)
}

/// What a word of the header or of a member is.
pub(crate) fn in_front(segment: &Segment, offset: u64) -> Option<String> {
    if offset < PAGE {
        return Some(in_header(offset));
    }
    let at = offset.wrapping_sub(segment.layout().member(0).bytes());
    let field = at % member::BYTES;
    let name = || named(MEMBER, field).unwrap_or_else(|| format!("member+{field}"));
    (at < MEMBERS * member::BYTES).then(name)
}

fn in_domain(name: &str, field: u64) -> Option<String> {
    let intent = domain::INTENT..domain::INTENT + domain::INTENT_PAIRS * 16;
    if intent.contains(&field) {
        let part = if field % 16 == domain::INTENT % 16 { "at" } else { "value" };
        return Some(format!("{name}.intent.{part}"));
    }
    named(DOMAIN, field).map(|part| format!("{name}.{part}"))
}

fn in_header(offset: u64) -> String {
    let in_part = |start: Offset| offset.wrapping_sub(start.bytes());
    if in_part(header::PAGE_HINTS) < 256 {
        return "hint".to_owned();
    }
    if offset == header::HOST.bytes() {
        return "HOST".to_owned();
    }
    let field = in_part(header::PAGES_DOMAIN);
    if field < domain::BYTES
        && let Some(name) = in_domain("pages", field)
    {
        return name;
    }
    in_domain("mend", in_part(header::MEND_DOMAIN)).unwrap_or_else(|| format!("header+{offset}"))
}

fn in_shard(field: u64) -> String {
    if (shard::CLASSES..shard::CLASSES + CLASSES * 8).contains(&field) {
        return "class.head".to_owned();
    }
    if (shard::SEATS..shard::SEATS + LOCK_SEATS * 8).contains(&field) {
        return "seat".to_owned();
    }
    named(SHARD, field).unwrap_or_else(|| format!("shard+{field}"))
}

/// A word of a block or a run; the piece may have become another meanwhile.
fn in_area(segment: &Segment, image: &Image, offset: u64) -> String {
    let layout = segment.layout();
    let page = layout.page_of(Offset::new(offset)).unwrap();
    let first = page & !(layout.span_pages - 1);
    let facts = [pages::fact(segment, first).ok(), image.fact(segment, first)];
    for fact in facts.into_iter().flatten() {
        if let Fact::Span { class, .. } = fact {
            let within = (offset - layout.page(first).bytes()) % class_bytes(class);
            return named(ENTRY, within).unwrap_or_else(|| "block.value".to_owned());
        }
    }
    "run.bytes".to_owned()
}

/// The labels of all stores of an operation, those of latches and sequences told by what they do.
pub(crate) fn tell(segment: &Segment, image: &Image, trace: &[u64]) -> Vec<String> {
    let (mut is_held, mut found_taken) = (HashSet::new(), HashSet::new());
    let mut is_sealed = HashMap::new();
    let mut labels = Vec::new();
    for &offset in trace {
        let label = classify(segment, image, offset);
        labels.push(if let Some(name) = label.strip_suffix(".latch") {
            // A latch that a dead member has is first found taken, and then taken over.
            let is_taken = image.word(offset) != 0 && found_taken.insert(offset);
            let does = match (is_taken, is_held.remove(&offset)) {
                (true, _) => "latch (taken)",
                (false, true) => "unlatch",
                (false, false) => {
                    is_held.insert(offset);
                    "latch"
                }
            };
            format!("{name}.{does}")
        } else if let Some(name) = label.strip_suffix(".sequence") {
            let sealed = is_sealed.entry(offset).or_insert_with(|| image.word(offset) & 1 == 1);
            *sealed = !*sealed;
            format!("{name}.{}", if *sealed { "seal" } else { "clear" })
        } else {
            label
        });
    }
    labels
}

/// Labels in a line, repetitions counted: `a, 3 x (b, c), d`.
pub(crate) fn line(labels: &[String]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = labels;
    while let [first, ..] = rest {
        let period = (1..=3)
            .find(|period| rest.len() >= 2 * period && rest[..*period] == rest[*period..2 * period])
            .unwrap_or(1);
        let unit = &rest[..period];
        let times = rest.chunks(period).take_while(|chunk| *chunk == unit).count();
        parts.push(match (times, period) {
            (1, _) => first.clone(),
            (_, 1) => format!("{times} x {first}"),
            _ => format!("{times} x ({})", unit.join(", ")),
        });
        rest = &rest[times * period..];
    }
    parts.join(", ")
}
