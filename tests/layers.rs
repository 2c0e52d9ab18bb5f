//! A module uses only modules of lower floors: the order of `pub mod` in `src/lib.rs` is the order
//! of the floors, and every `use crate::` and `crate::` path must point upwards in that list.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test ends by a panic, and its numbers are small"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that stand on the same floor and may know each other's declarations downwards only.
fn floors() -> HashMap<String, usize> {
    let tour = fs::read_to_string("src/lib.rs").unwrap();
    let names = tour.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("pub ").unwrap_or_else(|| line.trim());
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.enumerate().map(|(floor, name)| (name.to_owned(), floor)).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap();
    let name = first.as_os_str().to_string_lossy();
    name.strip_suffix(".rs").unwrap_or(&name).to_owned()
}

/// The top-level modules that code mentions: `crate::name` and `use crate::{name, ...}`.
fn mentions(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let name: String = rest.chars().take_while(|letter| is_name(*letter)).collect();
        assert!(!rest.starts_with('{'), "write one `use crate::` a module: {rest:.60}");
        found.push(name);
    }
    found
}

/// Code without comments (which may point anywhere) and without unit tests.
fn production_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_uses_only_lower_floors() {
    let floors = floors();
    assert!(floors.len() > 10, "the tour in src/lib.rs was not understood: {floors:?}");
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    for file in files.iter().filter(|file| !file.ends_with("lib.rs")) {
        let module = module_of(file);
        let floor = *floors.get(&module).unwrap_or_else(|| panic!("{module} is not in the tour"));
        for name in mentions(&production_code(&fs::read_to_string(file).unwrap())) {
            let Some(used) = floors.get(&name) else {
                continue;
            };
            assert!(*used <= floor, "{} uses {name}, which stands above it", file.display());
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let may = name.starts_with("src/os/")
            || name.starts_with("src/node/")
            || name == "src/segment/region.rs";
        let uses = fs::read_to_string(&file).unwrap().contains("allow(unsafe_code");
        assert!(may || !uses, "{name} allows unsafe code");
    }
}
