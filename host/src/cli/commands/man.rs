//! `cocoon man`: the manual page, all subcommands in one.

use std::io::{self, Write as _};

use crate::cli::failure::Failure;

pub(crate) fn run(mut command: clap::Command) -> Result<(), Failure> {
    command.build();
    let mut page = Vec::new();
    let failed = |error| Failure::Io {
        what: "cannot write the page".to_owned(),
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

/// Prints a text that is there whole.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
        written => written.map_err(|error| Failure::Io {
            what: "cannot write".to_owned(),
            error,
        }),
    }
}
