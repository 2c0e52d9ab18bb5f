//! The cache's part of the check: each entry of its table is in one list, each list reads the same
//! both ways, and its length is the sum of all lengths.

use super::{ShardCheck, rule};
use crate::entry::{Meta, word};
use crate::error::Result;
use crate::lru::{self, Item, ROUNDED, TRIMMING, item};
use crate::segment::layout::{cache, shard};
use crate::segment::region::Offset;
use crate::table::Table;
use std::collections::{HashMap, HashSet};

impl ShardCheck<'_> {
    /// Checks the lists; the entries of the table have been claimed.
    pub(super) fn cache(
        &mut self,
        entries: &[Offset],
        runs: &mut HashMap<u64, (u64, u64)>,
    ) -> Result<()> {
        let uses = self.list(cache::NEWEST, cache::OLDEST)?;
        let past = self.list(cache::PAST, cache::PAST_END)?;
        let estate = self.list(cache::ESTATE, cache::ESTATE_END)?;
        let mut in_table: HashSet<u64> = entries.iter().map(|entry| entry.bytes()).collect();
        let since = self.word(cache::SINCE)?;
        for item in &uses {
            let stamp = self.load(item.entry().add(word::STAMP))?;
            rule(stamp >> 1 > since, "a version in the cache", item.entry().bytes())?;
            let was_there = in_table.remove(&item.entry().bytes());
            rule(was_there, "a use that is not in the table", item.entry().bytes())?;
        }
        self.length(&uses)?;
        let before = self.bytes;
        for item in &estate {
            self.claim(item.entry())?;
            self.own(item.entry(), runs)?;
        }
        let counted = self.word(cache::ESTATE_BYTES)?;
        rule(counted == self.bytes - before, "the bytes of the estate", counted)?;
        for item in &past {
            let stamp = self.load(item.entry().add(word::STAMP))?;
            if stamp == 0 {
                self.claim(item.entry())?;
                self.own(item.entry(), runs)?;
                continue;
            }
            rule(stamp >> 1 <= since, "a version of the past", item.entry().bytes())?;
            let was_there = in_table.remove(&item.entry().bytes());
            rule(was_there, "a past that is not in the table", item.entry().bytes())?;
        }
        let unlisted = in_table.iter().next();
        rule(unlisted.is_none(), "an entry in no list", unlisted.copied().unwrap_or(0))?;
        let has_heir = self.word(cache::HEIR)? != 0;
        rule(has_heir || estate.is_empty(), "an estate without an heir", 0)
    }

    /// The items of a list, first to last.
    fn list(&self, first: u64, last: u64) -> Result<Vec<Item>> {
        let (mut link, mut previous) = (self.word(first)?, 0);
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        while let Some(item) = Item::from_link(link) {
            let at = item.entry().bytes();
            rule(seen.insert(at), "a list of the cache without end", at)?;
            let meta = Meta::from_word(self.load(item.entry().add(word::META))?)?;
            let is_linked = meta.in_cache() && Item::new(item.entry(), meta) == item;
            rule(is_linked, "a link of the cache", at)?;
            rule(self.load(item.at(item::PREVIOUS))? == previous, "a link back", at)?;
            let hash = self.table_of().hash_of(item.entry())?;
            rule(self.load(item.at(item::HASH))? == hash, "the hash of an entry", at)?;
            items.push(item);
            previous = link;
            link = self.load(item.at(item::NEXT))?;
        }
        rule(self.word(last)? == previous, "the end of a list of the cache", previous)?;
        Ok(items)
    }

    /// The sum of the lengths, and that it is within bounds, unless sums have been rounded.
    fn length(&self, uses: &[Item]) -> Result<()> {
        let flags = self.word(cache::FLAGS)?;
        if flags & ROUNDED != 0 {
            return Ok(());
        }
        let mut sum = 0.0;
        for item in uses {
            sum += f64::from_bits(self.load(item.at(item::LENGTH))?);
        }
        let length = f64::from_bits(self.word(cache::LENGTH)?);
        #[expect(clippy::float_cmp, reason = "sums of small whole numbers are exact")]
        let is_sum = length == sum;
        rule(is_sum, "the length of the cache", 0)?;
        let max = lru::bound(self.segment)?;
        let is_within = uses.is_empty() || flags & TRIMMING != 0 || length <= max;
        rule(is_within, "the bound of the cache", 0)
    }

    fn table_of(&self) -> Table<'_> {
        Table::new(self.segment, self.segment.layout().table(self.number))
    }

    fn word(&self, field: u64) -> Result<u64> {
        self.field(shard::CACHE + field)
    }
}
