//! lru-cache 6.0.0 (npm), line by line, as far as this package uses it.

/// An option's value as JavaScript would hand it over.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are lru-cache's options")]
pub(crate) struct Settings {
    pub(crate) max: f64,
    pub(crate) max_age: f64,
    pub(crate) stale: bool,
    pub(crate) no_dispose_on_set: bool,
    pub(crate) update_age_on_get: bool,
    pub(crate) disposes: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub(crate) key: u8,
    pub(crate) value: Vec<u8>,
    pub(crate) length: f64,
    now: f64,
}

/// The cache: its list, the youngest in front.
#[derive(Debug)]
pub(crate) struct Reference {
    settings: Settings,
    max: f64,
    max_age: f64,
    pub(crate) length: f64,
    pub(crate) list: Vec<Hit>,
    /// Calls of `dispose`.
    pub(crate) disposed: Vec<(u8, Vec<u8>)>,
}

impl Reference {
    pub(crate) fn new(settings: Settings) -> Self {
        let truthy = |number: f64| number != 0.0 && !number.is_nan();
        Self {
            settings,
            max: if truthy(settings.max) { settings.max } else { f64::INFINITY },
            max_age: if truthy(settings.max_age) { settings.max_age } else { 0.0 },
            length: 0.0,
            list: Vec::new(),
            disposed: Vec::new(),
        }
    }

    pub(crate) fn set(&mut self, key: u8, value: &[u8], length: f64, date: f64) -> bool {
        let now = if self.max_age == 0.0 { 0.0 } else { date };
        if let Some(at) = self.position(key) {
            if length > self.max {
                self.delete(at);
                return false;
            }
            if !self.settings.no_dispose_on_set {
                self.dispose(key, self.list[at].value.clone());
            }
            let item = &mut self.list[at];
            item.now = now;
            item.value = value.to_vec();
            self.length += length - item.length;
            item.length = length;
            self.get(key, date);
            self.trim();
            return true;
        }
        if length > self.max {
            self.dispose(key, value.to_vec());
            return false;
        }
        self.length += length;
        self.list.insert(0, Hit { key, value: value.to_vec(), length, now });
        self.trim();
        true
    }

    pub(crate) fn get(&mut self, key: u8, date: f64) -> Option<Vec<u8>> {
        let at = self.position(key)?;
        let value = self.list[at].value.clone();
        if self.is_stale(&self.list[at], date) {
            self.delete(at);
            return self.settings.stale.then_some(value);
        }
        let mut hit = self.list.remove(at);
        if self.settings.update_age_on_get {
            hit.now = date;
        }
        self.list.insert(0, hit);
        Some(value)
    }

    pub(crate) fn remove(&mut self, key: u8) -> bool {
        let at = self.position(key);
        if let Some(at) = at {
            self.delete(at);
        }
        at.is_some()
    }

    /// Not lru-cache's: `prune`, but only from the oldest on up to one that is not stale, and not with
    /// `stale`.
    pub(crate) fn prune(&mut self, date: f64) {
        if self.settings.stale || self.max_age == 0.0 {
            return;
        }
        while self.list.last().is_some_and(|hit| self.is_stale(hit, date)) {
            self.delete(self.list.len() - 1);
        }
    }

    fn position(&self, key: u8) -> Option<usize> {
        self.list.iter().position(|hit| hit.key == key)
    }

    fn is_stale(&self, hit: &Hit, date: f64) -> bool {
        self.max_age != 0.0 && date - hit.now > self.max_age
    }

    fn trim(&mut self) {
        while self.length > self.max && !self.list.is_empty() {
            self.delete(self.list.len() - 1);
        }
    }

    fn delete(&mut self, at: usize) {
        let hit = self.list[at].clone();
        self.dispose(hit.key, hit.value);
        self.length -= hit.length;
        self.list.remove(at);
    }

    fn dispose(&mut self, key: u8, value: Vec<u8>) {
        if self.settings.disposes {
            self.disposed.push((key, value));
        }
    }
}
