//! How findings are shown, and which warnings count: the options that `check` and `compile` share.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use pvc::Compilation;
use pvc::diagnostics::{Color, Level, Levels, Sarif, json, json_message, render, short};
use std::io::Write;

/// `--message-format`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Each finding with its source lines, on standard error
    Human,
    /// `FILE:LINE:COLUMN: SEVERITY[CODE]: MESSAGE`, on standard error
    Short,
    /// One JSON object a line, as rustc writes them
    Json,
    /// One SARIF 2.1.0 log
    Sarif,
}

#[derive(Args)]
pub(super) struct ReportArgs {
    /// How findings are shown. `json` and `sarif` go to standard output (to standard error beside an `--emit KIND=-`)
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_possible_values = false)]
    message_format: Format,
    #[command(flatten)]
    levels: LevelArgs,
}

/// `-D`, `-W` and `-A` in the order of the command line.
pub(super) struct LevelArgs(Levels);

const LEVELS: [(&str, char, Level, &str); 3] = [
    ("deny", 'D', Level::Deny, "Make a warning an error: codes such as PV0504, or `warnings` for all of them"),
    ("warn", 'W', Level::Warn, "Make it a warning again; of several such options the last wins"),
    ("allow", 'A', Level::Allow, "Drop a warning. Errors cannot be dropped"),
];

impl Args for LevelArgs {
    fn augment_args(command: Command) -> Command {
        command.args(LEVELS.map(|(name, short, _, help)| {
            Arg::new(name)
                .short(short)
                .long(name)
                .value_name("CODE")
                .help(help)
                .action(ArgAction::Append)
                .value_delimiter(',')
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given: Vec<(usize, &String, Level)> = Vec::new();
        for (name, _, level, _) in LEVELS {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            given.extend(places.zip(values).map(|(place, value)| (place, value, level)));
        }
        given.sort_by_key(|(place, ..)| *place);
        let mut levels = Levels::default();
        for (_, value, level) in given {
            levels
                .set(value, level)
                .map_err(|message| clap::Error::raw(clap::error::ErrorKind::ValueValidation, message))?;
        }
        Ok(Self(levels))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ReportArgs {
    /// The levels of the warnings.
    pub(super) fn levels(&self) -> &Levels {
        &self.levels.0
    }

    /// Whether the findings are for a machine: then standard output holds them and nothing else.
    pub(super) fn for_machine(&self) -> bool {
        matches!(self.message_format, Format::Json | Format::Sarif)
    }
}

/// Shows the findings of one run.
pub(super) struct Reporter {
    format: Format,
    color: Color,
    /// Whether standard output is taken by something else.
    taken: bool,
    sarif: Sarif,
}

impl Reporter {
    pub(super) fn new(args: &ReportArgs, color: Color, taken: bool) -> Self {
        Self { format: args.message_format, color, taken, sarif: Sarif::default() }
    }

    /// Shows the findings about the root file `name`.
    pub(super) fn show(&mut self, name: &str, compilation: &Compilation) {
        let (diagnostics, sources) = (&compilation.diagnostics, &compilation.sources);
        match self.format {
            Format::Human => {
                let mut text = render(diagnostics, sources, self.color);
                if let errors @ 1.. = diagnostics.errors() {
                    text.push_str(&format!("error: {name}: {errors} error{}\n", if errors == 1 { "" } else { "s" }));
                }
                self.write(&text);
            }
            Format::Short => self.write(&short(diagnostics, sources)),
            Format::Json => self.write(&json(diagnostics, sources)),
            Format::Sarif => self.sarif.add(diagnostics, sources),
        }
    }

    /// Says why a file cannot be worked on: wrong usage, or an I/O error.
    pub(super) fn trouble(&mut self, message: &str) {
        eprintln!("error: {message}");
        match self.format {
            Format::Human | Format::Short => {}
            Format::Json => self.write(&json_message(message)),
            Format::Sarif => self.sarif.trouble(message),
        }
    }

    /// Writes what has to come in one piece.
    pub(super) fn finish(mut self) {
        if self.format == Format::Sarif {
            let text = std::mem::take(&mut self.sarif).finish();
            self.write(&text);
        }
    }

    fn write(&self, text: &str) {
        let to_output = matches!(self.format, Format::Json | Format::Sarif) && !self.taken;
        // Nothing can be said if the stream is closed; the exit status still tells.
        let _ = if to_output {
            std::io::stdout().lock().write_all(text.as_bytes())
        } else {
            std::io::stderr().lock().write_all(text.as_bytes())
        };
    }
}
