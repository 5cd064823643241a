//! From file and environment to settings. Lives here: TOML, places, unknown keys, overrides.
//! Never here: what the keys are.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::schema::{Key, keys};
use super::{Config, Raw};

/// Variables of the environment that are no settings.
const OTHER_VARIABLES: &[&str] =
    &["RINGFENCE_CONFIG", STAFF_VARIABLE, crate::shell::keys::VARIABLE];

/// Says who of staff types commands.
pub const STAFF_VARIABLE: &str = "RINGFENCE_STAFF";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A place in the file; line and column count from 1.
    File {
        /// The file.
        path: PathBuf,
        /// Line.
        line: usize,
        /// Column, in characters.
        column: usize,
    },
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Origin::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Everything wrong with the configuration; never empty.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<(Origin, String)>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (origin, message)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            match origin {
                Origin::Default => write!(f, "{separator}configuration: {message}")?,
                _ => write!(f, "{separator}{origin}: {message}")?,
            }
        }
        Ok(())
    }
}

/// Settings with their origins.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Origin of every key that was set, by its path.
    pub origins: BTreeMap<String, Origin>,
    /// The file read, if there was one.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Where the value of a key came from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(&key.path()).cloned().unwrap_or(Origin::Default)
    }
}

/// Reads the file, if one is named, and the environment over it. Reports all errors at once.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let keys = keys();
    let mut errors = Vec::new();
    let mut loaded = Loaded {
        config: Config::default(),
        origins: BTreeMap::new(),
        file: file.map(Path::to_owned),
    };
    if let Some(path) = file {
        let source = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            ConfigError(vec![(Origin::Default, message)])
        })?;
        FileReader { path, source: &source, keys: &keys }.read(&mut loaded, &mut errors);
    }
    read_environment(&keys, environment, &mut loaded, &mut errors);
    if errors.is_empty() {
        check_together(&loaded, &mut errors);
    }
    if errors.is_empty() { Ok(loaded) } else { Err(ConfigError(errors)) }
}

type Errors = Vec<(Origin, String)>;

struct FileReader<'a> {
    path: &'a Path,
    source: &'a str,
    keys: &'a [Key],
}

impl FileReader<'_> {
    fn read(&self, loaded: &mut Loaded, errors: &mut Errors) {
        match DeTable::parse(self.source) {
            Ok(table) => self.section("", table.get_ref(), loaded, errors),
            Err(error) => {
                let origin = self.place(error.span().unwrap_or(0..0));
                errors.push((origin, error.message().to_owned()));
            }
        }
    }

    /// Reads one table; tables within it are sections.
    fn section(
        &self,
        section: &str,
        table: &DeTable<'_>,
        loaded: &mut Loaded,
        errors: &mut Errors,
    ) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let path = join(section, name.get_ref());
            if let DeValue::Table(inner) = value.get_ref()
                && self.is_section(&path)
            {
                self.section(&path, inner, loaded, errors);
                continue;
            }
            let origin = self.place(name.span());
            let Some(key) = self.keys.iter().find(|key| key.path() == path) else {
                errors.push((origin, unknown(&path, self.known())));
                continue;
            };
            let value_origin = self.place(value.span());
            let set =
                Raw::from_toml(value.get_ref()).and_then(|raw| (key.set)(&mut loaded.config, &raw));
            match set {
                Ok(()) => drop(loaded.origins.insert(path, origin)),
                Err(message) => errors.push((value_origin, format!("{path}: {message}"))),
            }
        }
    }

    fn is_section(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.keys.iter().any(|key| key.section == path || key.section.starts_with(&below))
    }

    fn known(&self) -> Vec<String> {
        let mut names: Vec<String> = self.keys.iter().map(Key::path).collect();
        names.extend(self.keys.iter().map(|key| key.section.to_owned()));
        names
    }

    fn place(&self, span: Range<usize>) -> Origin {
        let before = self.source.get(..span.start).unwrap_or(self.source);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

fn read_environment(
    keys: &[Key],
    environment: impl IntoIterator<Item = (String, String)>,
    loaded: &mut Loaded,
    errors: &mut Errors,
) {
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with("RINGFENCE_"))
        .filter(|(name, _)| !OTHER_VARIABLES.contains(&name.as_str()))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let origin = Origin::Environment(name.clone());
        let Some(key) = keys.iter().find(|key| key.variable() == name) else {
            errors.push((origin, unknown(&name, keys.iter().map(Key::variable).collect())));
            continue;
        };
        match (key.set)(&mut loaded.config, &Raw::Words(value)) {
            Ok(()) => drop(loaded.origins.insert(key.path(), origin)),
            Err(message) => errors.push((origin, format!("{}: {message}", key.path()))),
        }
    }
}

/// What no key can see alone.
fn check_together(loaded: &Loaded, errors: &mut Errors) {
    let config = &loaded.config;
    let mut wrong = |path: &str, message: String| {
        let origin = loaded.origins.get(path).cloned().unwrap_or(Origin::Default);
        errors.push((origin, format!("{path}: {message}")));
    };
    if config.realm.is_empty() {
        wrong("node.realm", "is missing: set it in the file, or RINGFENCE_NODE__REALM in the environment, to a name like example.com".to_owned());
    }
    let secure = config.listen.iter().find(|socket| socket.transport.is_secure());
    match (secure, config.tls_files()) {
        (Some(socket), None) => wrong(
            "sip.listen",
            format!("{socket} needs a certificate: set tls.certificate and tls.key to PEM files"),
        ),
        (_, None) if config.tls_certificate.is_some() => {
            wrong("tls.certificate", "needs tls.key, the file of its key".to_owned());
        }
        (_, None) if config.tls_key.is_some() => {
            wrong("tls.key", "needs tls.certificate, the file of its certificate".to_owned());
        }
        _ => {}
    }
    if let Err(error) = rating::Numbering::new(&config.numbering) {
        wrong("platform", error.to_string());
    }
    for (path, message) in super::alerts::together(config) {
        wrong(path, message);
    }
    let shortest = config.slice_s.min(config.first_slice_s);
    if config.extend_lead_s >= shortest {
        let lead = config.extend_lead_s;
        wrong(
            "money.extend_lead_s",
            format!("{lead} must be less than the slices, the shortest is {shortest}"),
        );
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn unknown(name: &str, known: Vec<String>) -> String {
    let nearest = known.into_iter().map(|other| (distance(name, &other), other)).min();
    match nearest {
        Some((far, other)) if far <= 2 + name.len() / 4 => {
            format!("unknown key `{name}`; did you mean `{other}`?")
        }
        _ => format!("unknown key `{name}`; `ringfence config show` lists all keys"),
    }
}

/// Edits from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("r.toml");
        std::fs::write(&path, source).expect("written");
        let environment =
            environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let shown = format!("{}/", dir.path().display());
        load(Some(&path), environment).map_err(|error| error.to_string().replace(&shown, ""))
    }

    #[test]
    fn errors_name_the_place() {
        fn check(source: &str, want: &str) {
            assert_eq!(read(source, &[]).expect_err(source), want, "{source}");
        }
        check(
            "[node]\nrealm = \"x.y\"\nrelm = 1\n",
            "r.toml:3:1: unknown key `node.relm`; did you mean `node.realm`?",
        );
        check("[nod]\nrealm = \"x.y\"\n", "r.toml:1:2: unknown key `nod`; did you mean `node`?");
        check(
            "[node]\nrealm = \"x.y\"\nfrobnication_interval_ms = 1\n",
            "r.toml:3:1: unknown key `node.frobnication_interval_ms`; `ringfence config show` lists all keys",
        );
        check(
            "[node]\nrealm = 7\n",
            "r.toml:2:9: node.realm: expected a text in quotes, found `7`",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[sip]\nlisten = [\"udp:5060\"]\n",
            "r.toml:4:10: sip.listen: `udp:5060` is not a socket: expected udp:, tcp:, tls: or wss: and ADDRESS:PORT, like udp:0.0.0.0:5060",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[defaults.pbx]\ncalls = 1.5\n",
            "r.toml:4:9: defaults.pbx.calls: expected a whole number, found `1.5`",
        );
        check(
            "[node]\n realm = \"x.y\" \"z\"\n",
            "r.toml:2:16: unexpected key or value, expected newline, `#`",
        );
        check(
            "",
            "configuration: node.realm: is missing: set it in the file, or RINGFENCE_NODE__REALM in the environment, to a name like example.com",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[money]\nslice_s = 5\n",
            "configuration: money.extend_lead_s: 5 must be less than the slices, the shortest is 5",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"tls:0.0.0.0:5061\"]\n",
            "r.toml:4:1: sip.listen: tls:0.0.0.0:5061 needs a certificate: set tls.certificate and tls.key to PEM files",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[sip]\nlisten = [\"wss:0.0.0.0:443\"]\n[tls]\nkey = \"k.pem\"\n",
            "r.toml:4:1: sip.listen: wss:0.0.0.0:443 needs a certificate: set tls.certificate and tls.key to PEM files",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[tls]\nkey = \"k.pem\"\n",
            "r.toml:4:1: tls.key: needs tls.certificate, the file of its certificate",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[tls]\ncertificate = \"c.pem\"\n",
            "r.toml:4:1: tls.certificate: needs tls.key, the file of its key",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[wss]\norigins = [\"phone.example.com\"]\n",
            "r.toml:4:11: wss.origins: `phone.example.com` is not an origin: expected one like https://phone.example.com",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[mail]\nuser = \"u\"\n",
            "r.toml:4:1: mail.user: needs mail.password_file",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[mail]\nuser = \"u\"\npassword_file = \"f\"\ntls = \"none\"\n",
            "r.toml:6:1: mail.tls: a password is not sent without TLS: expected required or implicit",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[mail]\ntls = \"yes\"\n",
            "r.toml:4:7: mail.tls: expected implicit, required, optional or none, found `yes`",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[mail]\nfrom = \"nobody\"\n",
            "r.toml:4:8: mail.from: `nobody` is not a sender: expected alerts@example.com, or Example <alerts@example.com>",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[alerts]\nportal_url = \"voice.example.com\"\n",
            "r.toml:4:14: alerts.portal_url: `voice.example.com` is not a URL that can be called: expected https:// or http://",
        );
        check(
            "[node]\nrealm = \"x.y\"\n[alerts]\nstaff_time_zone = \"Mars\"\n",
            "r.toml:4:19: alerts.staff_time_zone: `Mars` is not a time zone: expected an IANA name like Europe/London",
        );
        check(
            "[platform]\nhome = \"gb\"\nhome_ = 1\n",
            "r.toml:2:8: platform.home: `gb` is not a country code: expected two capital letters like GB\nr.toml:3:1: unknown key `platform.home_`; did you mean `platform.home`?",
        );
    }

    #[test]
    fn amounts_are_read_as_written() {
        let loaded = read(
            "[node]\nrealm=\"x.y\"\n[defaults.residential]\nprice_cap_international = 0.07\nstop_level_24h = 20\nstop_level_off_hours = \"none\"\n[platform]\nbank_holidays = [2026-12-25, \"2026-12-26\"]\n",
            &[],
        )
        .expect("good");
        let controls = &loaded.config.residential;
        assert_eq!(controls.price_cap_international, types::Money::from_cents(7));
        assert_eq!(controls.stop_level_24h, types::Money::from_units(20));
        assert_eq!(controls.stop_level_off_hours, None);
        assert_eq!(loaded.config.off_hours.bank_holidays.len(), 2);
    }

    #[test]
    fn the_environment_wins_and_is_checked() {
        let source = "[node]\nrealm = \"x.y\"\n[money]\nslice_s = 20\n";
        let loaded = read(
            source,
            &[
                ("RINGFENCE_MONEY__SLICE_S", "40"),
                ("RINGFENCE_CONFIG", "r"),
                ("RINGFENCE_SIP__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0"),
                ("HOME", "/"),
            ],
        )
        .expect("good");
        assert_eq!(loaded.config.slice_s, 40);
        assert_eq!(loaded.config.listen.len(), 2);
        let origin = loaded.origins.get("money.slice_s").map(Origin::to_string);
        assert_eq!(origin.as_deref(), Some("environment variable RINGFENCE_MONEY__SLICE_S"));
        let realm = loaded.origins.get("node.realm").map(Origin::to_string).expect("set");
        assert!(realm.ends_with("r.toml:2:1"), "{realm}");
        let wrong = read(
            source,
            &[("RINGFENCE_MONEY_SLICE_S", "4"), ("RINGFENCE_MONEY__FIRST_SLICE_S", "x")],
        );
        assert_eq!(
            wrong.expect_err("two errors"),
            "environment variable RINGFENCE_MONEY_SLICE_S: unknown key `RINGFENCE_MONEY_SLICE_S`; did you mean `RINGFENCE_MONEY__SLICE_S`?\nenvironment variable RINGFENCE_MONEY__FIRST_SLICE_S: money.first_slice_s: expected a whole number, found `x`"
        );
    }

    #[test]
    fn every_key_reads_what_it_shows() {
        let mut config = Config { realm: "example.com".to_owned(), ..Config::default() };
        let before = config.clone();
        for key in keys() {
            let shown = format!("value = {}\n", (key.show)(&before).to_toml());
            let table = DeTable::parse(&shown).expect("TOML");
            let raw = Raw::from_toml(table.get_ref()["value"].get_ref()).expect("a value");
            (key.set)(&mut config, &raw).unwrap_or_else(|error| panic!("{}: {error}", key.path()));
        }
        assert_eq!(config, before);
    }
}
