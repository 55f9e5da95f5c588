//! The layers of `host/src`: each module uses only those before it in `lib.rs`, the files of a
//! folder do not use each other in a circle, and Wasmtime stays in the layers around sandboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers that may use types of Wasmtime.
const WITH_WASMTIME: [&str; 6] = [
    "engine",
    "grants",
    "component",
    "sandbox",
    "channel",
    "worlds",
];

/// One file: its name, the path of its module, and its code without tests and comments.
struct File {
    name: String,
    module: Vec<String>,
    code: String,
}

/// The files of the library and of the command line, which is another crate and the last layer.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(&root).expect("a file of the library");
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && name != Path::new("main.rs")
            {
                files.push(File::read(&path, name));
            }
        }
    }
    files
}

impl File {
    fn read(path: &PathBuf, name: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a file");
        let code = text.split("\n#[cfg(test)]\nmod tests").next();
        let lines = code.unwrap_or_default().lines();
        let code: Vec<_> = lines
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let mut module: Vec<_> = name
            .with_extension("")
            .iter()
            .map(|it| it.to_string_lossy().into_owned())
            .collect();
        module.retain(|it| it != "mod" && it != "lib");
        Self {
            name: name.display().to_string(),
            module,
            code: code.join("\n"),
        }
    }

    fn is_mod(&self) -> bool {
        self.name.ends_with("mod.rs")
    }

    /// All paths in the code that start with `crate` or `super`, from the crate's root.
    fn paths(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        for start in ["crate::", "super::"] {
            for (at, _) in self.code.match_indices(start) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|it| it.is_alphanumeric() || "_:$".contains(it)) {
                    continue;
                }
                let mut found = Vec::new();
                expand(&self.code[at..], &mut Vec::new(), &mut found);
                paths.extend(found.into_iter().map(|path| self.resolve(path)));
            }
        }
        paths
    }

    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let mut absolute = self.module.clone();
        if !self.is_mod() && path[0] == "super" {
            absolute.pop();
        }
        let mut first = true;
        for name in path {
            match name.as_str() {
                "crate" => absolute.clear(),
                // The file's own module was removed above; that of `mod.rs` is its folder.
                "super" if first && !self.is_mod() => {}
                "super" => drop(absolute.pop()),
                _ => absolute.push(name),
            }
            first = false;
        }
        absolute
    }
}

/// Adds the paths of a tree such as `a::{b, c::d}` to `found`, and returns the rest of the text.
fn expand<'a>(text: &'a str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    let depth = before.len();
    let end = text.find(|it: char| !it.is_alphanumeric() && it != '_');
    let (name, mut rest) = text.split_at(end.unwrap_or(text.len()));
    before.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(tree) if tree.starts_with('{') => {
            rest = &tree[1..];
            while !rest.trim_start().starts_with('}') {
                rest = expand(rest, before, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            rest = &rest.trim_start()[1..];
        }
        Some(path) if path.starts_with(|it: char| it.is_alphabetic()) => {
            rest = expand(path, before, found);
        }
        _ => {
            found.push(before.clone());
            rest = rest
                .split([',', '}', ';', '\n'])
                .next()
                .map_or(rest, |it| &rest[it.len()..]);
        }
    }
    before.truncate(depth);
    rest
}

/// The modules in `lib.rs`, lowest layer first.
fn layers(files: &[File]) -> Vec<String> {
    let lib = files.iter().find(|file| file.module.is_empty());
    let lines = lib.expect("lib.rs").code.lines();
    lines
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect()
}

#[test]
fn no_layer_uses_a_later_one() {
    let files = files();
    let layers = layers(&files);
    let place = |name: &String| layers.iter().position(|layer| layer == name);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.module.is_empty()) {
        let own = place(&file.module[0]);
        for path in file.paths() {
            let later = own.is_some() && path.first().and_then(place) > own;
            if later || (file.module.starts_with(&server()) && path.starts_with(&factorials())) {
                wrong.push(format!("{} uses crate::{}", file.name, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "imports upwards:\n{}", wrong.join("\n"));
}

fn server() -> Vec<String> {
    ["http", "server"].map(str::to_owned).into()
}

fn factorials() -> Vec<String> {
    ["http", "factorial"].map(str::to_owned).into()
}

#[test]
fn types_of_wasmtime_stay_in_the_layers_around_sandboxes() {
    for file in files() {
        let layer = file.module.first().map_or("lib", String::as_str);
        let has_wasmtime = file.code.contains("wasmtime::") || file.code.contains("wasmtime_wasi");
        // The macro in `component` contains the paths that its users need.
        assert!(
            !has_wasmtime || WITH_WASMTIME.contains(&layer),
            "{} uses Wasmtime",
            file.name
        );
    }
}

#[test]
fn the_files_of_a_folder_have_no_circle() {
    let files = files();
    let mut circles = Vec::new();
    for folder in files.iter().filter(|file| file.is_mod()) {
        let prefix = &folder.module;
        let child = |path: &[String]| path.strip_prefix(&prefix[..])?.first().cloned();
        // A name exported by the folder stands for the file that defines it.
        let exports: BTreeMap<_, _> = folder
            .exports()
            .into_iter()
            .map(|path| (path[path.len() - 1].clone(), path[0].clone()))
            .collect();
        let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
        for file in &files {
            let Some(user) = child(&file.module) else {
                continue;
            };
            for path in file.paths() {
                let used = child(&path).map(|it| exports.get(&it).cloned().unwrap_or(it));
                if let Some(used) = used.filter(|used| *used != user) {
                    uses.entry(user.clone()).or_default().insert(used);
                }
            }
        }
        // Removes files without uses repeatedly; the remaining files form circles.
        while let Some(leaf) = uses
            .values()
            .flatten()
            .find(|used| !uses.contains_key(*used))
            .cloned()
        {
            for used in uses.values_mut() {
                used.remove(&leaf);
            }
            uses.retain(|_, used| !used.is_empty());
        }
        if !uses.is_empty() {
            circles.push(format!("{}: {uses:?}", folder.name));
        }
    }
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

impl File {
    /// The paths that a `mod.rs` uses or exports, from its folder.
    fn exports(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (at, start) in self.code.match_indices("use ") {
            expand(&self.code[at + start.len()..], &mut Vec::new(), &mut found);
        }
        found
    }
}
