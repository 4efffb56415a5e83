//! Lint levels: which warnings the user wants to hear of, and how loudly.

use super::{CODES, Code, Severity};
use crate::suggest::nearest;
use std::collections::BTreeMap;

/// What becomes of a warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// It is dropped.
    Allow,
    /// It stays a warning.
    Warn,
    /// It becomes an error: nothing is written.
    Deny,
}

/// The levels of one run: `-D`, `-W` and `-A` in the order in which they were given.
///
/// Only warnings have a level. What is an error by itself guards the outputs: no level turns it off.
///
/// ```
/// use pvc::diagnostics::{Code, Level, Levels};
/// let mut levels = Levels::default();
/// levels.set("warnings", Level::Deny).unwrap();
/// levels.set("PV0208", Level::Allow).unwrap();
/// assert_eq!(levels.of(Code::UNUSED_FEATURE), Level::Allow);
/// assert_eq!(levels.of(Code::NEEDLESS_CLOBBER), Level::Deny);
/// assert!(levels.set("PV0401", Level::Allow).is_err());
/// ```
#[derive(Clone, Default, Debug)]
pub struct Levels {
    all: Option<Level>,
    codes: BTreeMap<Code, Level>,
}

impl Levels {
    /// Sets the level of a code, in any case of its letters, or of all `warnings`. What is set later wins.
    ///
    /// # Errors
    ///
    /// No code is called so, or it is that of an error and `level` would make less of it; the message is for the user.
    pub fn set(&mut self, what: &str, level: Level) -> Result<(), String> {
        if what == "warnings" {
            self.codes.clear();
            self.all = Some(level);
            return Ok(());
        }
        let code = Code::named(what).map_err(|unknown| unknown.to_string())?;
        if code.info().severity == Severity::Error && level != Level::Deny {
            return Err(format!(
                "{code} ({}) is an error, and only warnings have a level: the outputs would be wrong",
                code.info().title
            ));
        }
        self.codes.insert(code, level);
        Ok(())
    }

    /// The level of a code that is a warning by itself.
    #[must_use]
    pub fn of(&self, code: Code) -> Level {
        self.codes.get(&code).copied().or(self.all).unwrap_or(Level::Warn)
    }

    /// The option that denies `code`, for the note that says why it is an error.
    pub(super) fn denied_by(&self, code: Code) -> String {
        if self.codes.contains_key(&code) { format!("-D {code}") } else { "-D warnings".to_owned() }
    }
}

/// A name that no code has, and the code that was probably meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownCode {
    /// The name as it was given.
    pub name: String,
    /// The code nearest to it.
    pub near: Option<Code>,
}

impl std::fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no finding has the code `{}`", self.name)?;
        match self.near {
            Some(near) => write!(f, "; did you mean {near} ({})?", near.info().title),
            None => write!(f, "; codes are written as messages show them: PV0504"),
        }
    }
}

impl std::error::Error for UnknownCode {}

impl Code {
    /// The code that is written so, in any case of its letters; `504` and `0504` will do too.
    ///
    /// # Errors
    ///
    /// No code is, with the nearest one.
    ///
    /// ```
    /// use pvc::diagnostics::Code;
    /// assert_eq!(Code::named("pv0504"), Ok(Code::NEEDLESS_CLOBBER));
    /// assert_eq!(Code::named("PV0505 ").unwrap_err().near, Some(Code::STACK_POINTER));
    /// ```
    pub fn named(name: &str) -> Result<Self, UnknownCode> {
        let upper = name.to_ascii_uppercase();
        let digits = upper.strip_prefix("PV").unwrap_or(&upper);
        let digit_only = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digit_only && digits.len() <= 4 { digits.parse::<u16>().ok() } else { None };
        if let Some(info) = CODES.iter().find(|info| Some(info.code.0) == number) {
            return Ok(info.code);
        }
        let near = match number {
            // Of the same group, the code whose number is nearest; a number of no group is near to nothing.
            Some(number) => CODES
                .iter()
                .filter(|info| info.code.0 / 100 == number / 100)
                .min_by_key(|info| info.code.0.abs_diff(number))
                .map(|info| info.code),
            None => {
                let names: Vec<String> = CODES.iter().map(|info| info.code.to_string()).collect();
                let near = nearest(upper.trim(), names.iter().map(String::as_str));
                near.and_then(|near| CODES.iter().find(|info| info.code.to_string() == near.name)).map(|info| info.code)
            }
        };
        Err(UnknownCode { name: name.to_owned(), near })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_levels_win() {
        let mut levels = Levels::default();
        levels.set("pv0504", Level::Allow).unwrap();
        assert_eq!(levels.of(Code::NEEDLESS_CLOBBER), Level::Allow);
        levels.set("warnings", Level::Deny).unwrap();
        assert_eq!(levels.of(Code::NEEDLESS_CLOBBER), Level::Deny);
        levels.set("PV0504", Level::Warn).unwrap();
        assert_eq!(levels.of(Code::NEEDLESS_CLOBBER), Level::Warn);
        assert_eq!(levels.of(Code::UNUSED_FEATURE), Level::Deny);
    }

    #[test]
    fn errors_keep_their_severity() {
        let mut levels = Levels::default();
        assert!(levels.set("PV0401", Level::Warn).unwrap_err().contains("only warnings have a level"));
        levels.set("PV0401", Level::Deny).unwrap();
    }

    #[test]
    fn unknown_codes_have_a_near_one() {
        assert_eq!(Code::named("0504"), Ok(Code::NEEDLESS_CLOBBER));
        assert_eq!(Code::named("PV0499").unwrap_err().near, Some(Code::NO_ROOM_FOR_CALL));
        assert_eq!(Code::named("PV9901").unwrap_err().near, None);
        assert_eq!(Code::named("banana").unwrap_err().near, None);
        assert_eq!(Code::named("").unwrap_err().near, None);
        assert_eq!(Code::named("PV00504").unwrap_err().near, Some(Code::NEEDLESS_CLOBBER));
    }
}
