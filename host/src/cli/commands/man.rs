//! `cocoon man`: prints one manual page of all subcommands, or writes a page for each into a
//! folder.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::failure::Failure;
use crate::cli::paths::shown;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write `cocoon.1`, `cocoon-run.1` and so on into DIR, which is created if it is missing
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, command: clap::Command) -> Result<(), Failure> {
        match self.dir {
            Some(dir) => write_all(command, &dir),
            None => print_one(command),
        }
    }
}

/// Writes a page for each command, with the file name that `man` expects.
fn write_all(command: clap::Command, dir: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::Io {
        what: format!("cannot write manual pages into {}", shown(dir)),
        error,
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)
}

fn print_one(mut command: clap::Command) -> Result<(), Failure> {
    command.build();
    let mut page = Vec::new();
    let failed = |error| Failure::Io {
        what: "cannot write the manual page".to_owned(),
        error,
    };
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(failed)?;
    for subcommand in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(
            page,
            ".SH \"COCOON {}\"",
            subcommand.get_name().to_uppercase()
        )
        .map_err(failed)?;
        man.render_description_section(&mut page).map_err(failed)?;
        man.render_options_section(&mut page).map_err(failed)?;
    }
    print(&page)
}

/// Prints `text` on standard output.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
        written => written.map_err(|error| Failure::Io {
            what: "cannot write standard output".to_owned(),
            error,
        }),
    }
}
