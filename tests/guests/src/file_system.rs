/// Applies `operation` to `path` and describes the outcome: the same code inside a sandbox and
/// outside, where the tests include this file.
fn file_system(operation: &str, path: &str, other: &str) -> String {
    let ended = match operation {
        "stat" => fs::metadata(path).map(|found| format!("{:?}", kind(&found))),
        "lstat" => fs::symlink_metadata(path).map(|found| format!("{:?}", kind(&found))),
        "readlink" => fs::read_link(path).map(|target| target.display().to_string()),
        "open" => fs::File::open(path).map(|_| String::new()),
        "create" => fs::File::create(path).map(|_| String::new()),
        "mkdir" => fs::create_dir(path).map(|()| String::new()),
        "rmdir" => fs::remove_dir(path).map(|()| String::new()),
        "unlink" => fs::remove_file(path).map(|()| String::new()),
        "rename" => fs::rename(path, other).map(|()| String::new()),
        "link" => fs::hard_link(path, other).map(|()| String::new()),
        _ => return "unknown operation".to_owned(),
    };
    format!("{:?}", ended.map_err(|error| error.kind()))
}

/// File, folder and symbolic link, as booleans.
fn kind(found: &fs::Metadata) -> [bool; 3] {
    [found.is_file(), found.is_dir(), found.file_type().is_symlink()]
}
