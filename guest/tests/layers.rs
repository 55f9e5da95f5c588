//! The layers of `src`. A module uses only modules that are declared before it, in
//! `lib.rs` or in the `mod.rs` of their folder. So there is no import upwards, and no
//! circle.

use std::fs;
use std::path::Path;

/// Checks a file and the modules that it declares. `orders` are the declarations on the
/// way from `lib.rs` to `module`.
fn check(file: &Path, module: &[String], orders: &[Vec<String>], faults: &mut Vec<String>) {
    let text = fs::read_to_string(file).expect("a module's file");
    let code = || {
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
    };
    for path in code().flat_map(|line| used_paths(line, module)) {
        let depth = path.iter().zip(module).take_while(|(a, b)| a == b).count();
        if depth == module.len() {
            continue;
        }
        let place = |name: &String| orders[depth].iter().position(|declared| declared == name);
        let used = path.get(depth).and_then(place);
        if used.is_none_or(|used| used >= place(&module[depth]).expect("a declaration")) {
            let (file, path) = (file.display(), path.join("::"));
            let own = &module[depth];
            faults.push(format!(
                "{file}: expected modules before {own}, got crate::{path}"
            ));
        }
    }
    let declared = code().filter_map(|line| line.strip_suffix(';')?.split_once("mod "));
    let declared: Vec<String> = declared.map(|(_, name)| name.to_owned()).collect();
    let orders = [orders, std::slice::from_ref(&declared)].concat();
    let folder = file.parent().expect("a folder");
    for name in declared {
        let nested = folder.join(&name).join("mod.rs");
        let file = folder.join(&name).with_extension("rs");
        let file = if nested.exists() { nested } else { file };
        if file.exists() {
            check(&file, &[module, &[name]].concat(), &orders, faults);
        }
    }
}

/// Returns the paths in a line from the root of the crate, without `crate`.
fn used_paths(line: &str, module: &[String]) -> Vec<Vec<String>> {
    let segments = |path: &str| -> Vec<String> {
        let end = path.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        let path = path[..end.unwrap_or(path.len())].split("::");
        path.filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let inline = line.match_indices("crate::");
    let mut paths: Vec<_> = inline
        .map(|(at, key)| segments(&line[at + key.len()..]))
        .collect();
    if let Some(path) = line.strip_prefix("use super::") {
        paths.push([&module[..module.len() - 1], &segments(path)].concat());
    }
    paths
}

#[test]
fn modules_use_only_those_before_them() {
    let lib = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"));
    let mut faults = Vec::new();
    check(lib, &[], &[], &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
