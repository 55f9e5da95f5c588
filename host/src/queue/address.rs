//! The address of a queue: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB][#NAME]`, `rediss://…`, or
//! `redis+unix:///PATH[?user=USER&pass=PASSWORD&db=DB][#NAME]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redis::RedisConnectionInfo;
use url::Url;

use super::QueueError;
use super::batch::check_name;
use crate::limits::TOKEN_FILE_BYTES_MAX;

/// The name of a queue whose address has none.
const NAME: &str = "cocoon";
const PORT: u16 = 6379;
const EXPECTED: &str =
    "expected redis://HOST[:PORT][/DB][#NAME], rediss://… or redis+unix:///PATH[?user=USER][#NAME]";

/// The place of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp {
        host: String,
        port: u16,
        is_encrypted: bool,
    },
    Unix(PathBuf),
}

/// The address of a queue. Its text form has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) place: Place,
    /// The name of the queue in its database.
    pub(super) name: String,
    user: Option<String>,
    password: Option<String>,
    db: i64,
}

impl Address {
    /// The same address with the password in the first line of `file`.
    ///
    /// # Errors
    ///
    /// [`QueueError::Unreadable`].
    pub fn with_password_file(mut self, file: &Path) -> Result<Self, QueueError> {
        let unreadable = |reason: &dyn fmt::Display| {
            QueueError::Unreadable(format!(
                "cannot read the password in {}: {reason}",
                file.display()
            ))
        };
        let length = std::fs::metadata(file)
            .map_err(|error| unreadable(&error))?
            .len();
        if length > TOKEN_FILE_BYTES_MAX {
            return Err(unreadable(&format!(
                "expected at most {TOKEN_FILE_BYTES_MAX} bytes, got {length}"
            )));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
        let password = text.lines().next().unwrap_or_default();
        if password.is_empty() {
            return Err(unreadable(
                &"expected a password in the first line, got none",
            ));
        }
        self.password = Some(password.to_owned());
        Ok(self)
    }

    /// User, password and database.
    pub(super) fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.db);
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Url = text
            .parse()
            .map_err(|error| format!("{EXPECTED}: {error}"))?;
        let decode = |text: &str| {
            let decoded = percent_decode(text);
            decoded.ok_or_else(|| format!("{EXPECTED} in UTF-8"))
        };
        let name = match url.fragment() {
            None | Some("") => NAME.to_owned(),
            Some(name) => decode(name)?,
        };
        check_name(&name)?;
        let db = |text: &str| {
            text.parse::<u16>()
                .map(i64::from)
                .map_err(|_| format!("expected the number of a database, got `{text}`"))
        };
        let query = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (place, db) = match url.scheme() {
            "redis" | "rediss" => {
                let host = url
                    .host_str()
                    .filter(|host| !host.is_empty())
                    .ok_or(EXPECTED)?;
                let place = Place::Tcp {
                    host: host.trim_matches(['[', ']']).to_owned(),
                    port: url.port().unwrap_or(PORT),
                    is_encrypted: url.scheme() == "rediss",
                };
                let path = url.path().trim_matches('/');
                (place, if path.is_empty() { 0 } else { db(path)? })
            }
            "redis+unix" | "unix" => {
                let number = query("db").map_or(Ok(0), |value| db(&value))?;
                (Place::Unix(decode(url.path())?.into()), number)
            }
            _ => return Err(EXPECTED.to_owned()),
        };
        let optional = |text: &str| (!text.is_empty()).then(|| decode(text)).transpose();
        Ok(Self {
            place,
            name,
            user: optional(url.username())?.or_else(|| query("user")),
            password: url
                .password()
                .map(decode)
                .transpose()?
                .or_else(|| query("pass")),
            db,
        })
    }
}

/// `text` with bytes in place of `%XX`.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp {
                host,
                port,
                is_encrypted,
            } => {
                let scheme = if *is_encrypted { "rediss" } else { "redis" };
                write!(out, "{scheme}://{host}:{port}/{}#{}", self.db, self.name)
            }
            Place::Unix(path) => write!(out, "redis+unix://{}#{}", path.display(), self.name),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_server_a_database_and_a_name() {
        for (text, shown) in [
            ("redis://h", "redis://h:6379/0#cocoon"),
            ("rediss://u:p%40@h:1/3#jobs", "rediss://h:1/3#jobs"),
            ("redis://[::1]:7/", "redis://::1:7/0#cocoon"),
            ("redis+unix:///tmp/s?db=2&user=u#a", "redis+unix:///tmp/s#a"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
        }
        let address: Address = "redis://u:p%40@h".parse().expect("an address");
        assert_eq!(address.login().password(), Some("p@"));
        for text in [
            "",
            "h:6379",
            "http://h",
            "redis://",
            "redis://h/x",
            "redis://h#a b",
            "redis://h/-1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
