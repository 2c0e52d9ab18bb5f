//! A module uses only modules of lower floors: the order of `pub mod` in `src/lib.rs` is the order
//! of the floors, and every `use crate::` and `crate::` path must point upwards in that list. No
//! `super::` may lead past it to the root of the crate.
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
    let lines: Vec<_> = text.lines().collect();
    let is_tests = |pair: &[&str]| {
        ["#[cfg(test)]", "#[cfg(all(test, not(shm_loom)))]"].contains(&pair[0])
            && pair[1] == "mod tests {"
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    // rustfmt keeps the brace that ends a module alone, and the tests are the last one.
    let rest = lines[end..].iter().position(|line| *line == "}");
    let after = rest.map_or(&[][..], |rest| &lines[end + rest + 1..]);
    let code = lines[..end].iter().chain(after).filter(|line| !line.trim_start().starts_with("//"));
    code.copied().collect::<Vec<_>>().join("\n")
}

/// How many modules deep a file is; the root of the crate is 0.
fn depth_of(path: &Path) -> usize {
    let is_folder_itself = path.ends_with("mod.rs") || path.ends_with("lib.rs");
    path.strip_prefix("src").unwrap().components().count() - usize::from(is_folder_itself)
}

/// The first line of code whose `super::` lead to the root of the crate, if there is one.
fn line_to_the_root(code: &str, depth: usize) -> Option<&str> {
    // The modules that are written out in the file, by how far they are indented.
    let mut inner = Vec::new();
    code.lines().find(|line| {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let item = code.strip_prefix("pub ").unwrap_or(code);
        if item.starts_with("mod ") && item.ends_with('{') {
            inner.push(indent);
        } else if code == "}" && inner.last() == Some(&indent) {
            inner.pop();
        }
        (1..9).any(|ups| ups >= depth + inner.len() && line.contains(&"super::".repeat(ups)))
    })
}

/// Whether the code has the word `unsafe`, alone.
fn has_unsafe(code: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.split(|letter| !is_letter(letter)).any(|word| word == "unsafe")
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
fn no_path_goes_round_by_the_root_of_the_crate() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    for file in files {
        let code = production_code(&fs::read_to_string(&file).unwrap());
        let line = line_to_the_root(&code, depth_of(&file));
        assert_eq!(line, None, "{}", file.display());
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
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let uses = has_unsafe(&lines.collect::<Vec<_>>().join("\n"));
        assert!(may || !uses, "{name} has unsafe code");
    }
}

#[test]
fn what_the_checks_above_look_for_is_found() {
    let code = "use a;\n#[cfg(test)]\nuse b;\n#[cfg(test)]\nmod tests {\n    use c;\n}\nuse d;";
    assert_eq!(production_code(code), "use a;\n#[cfg(test)]\nuse b;\nuse d;");

    let inner = "mod inner {\n    use super::x;\n}\nuse super::y;";
    assert_eq!(line_to_the_root(inner, depth_of(Path::new("src/latch.rs"))), Some("use super::y;"));
    assert_eq!(line_to_the_root(inner, depth_of(Path::new("src/hub/desk.rs"))), None);
    let far = "use super::super::x;";
    assert_eq!(line_to_the_root(far, depth_of(Path::new("src/hub/desk.rs"))), Some(far));
    assert_eq!(line_to_the_root(far, depth_of(Path::new("src/a/b/c.rs"))), None);
    assert_eq!(depth_of(Path::new("src/hub/mod.rs")), 1);

    assert!(has_unsafe("#![expect(unsafe_code, reason = \"x\")]\nlet a = unsafe { b };"));
    assert!(!has_unsafe("#![deny(unsafe_code)]"));
}
