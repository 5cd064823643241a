//! Tables of countries and networks, from files. Lives here: reading them, naming what is wrong where.
//! Never here: what an address's place means.
//!
//! Rows are `first,last,COUNTRY` and `first,last,NUMBER[,name]`, without a header, as in the CC0
//! packages `@ip-location-db/geo-whois-asn-country` and `@ip-location-db/asn`.

use std::path::Path;

use anyhow::Context;
use engine::{Atlas, Ranges};

use crate::config::Config;

/// Reads all tables that the configuration names; none: nothing is known of any address.
pub fn read(config: &Config) -> anyhow::Result<Atlas> {
    let mut atlas = Atlas::default();
    for file in &config.country_files {
        read_file(file, &mut atlas.countries, |text| {
            text.parse().with_context(|| format!("`{}` is no country", text.escape_debug()))
        })?;
    }
    for file in &config.network_files {
        read_file(file, &mut atlas.networks, |text| {
            text.trim_start_matches("AS")
                .parse()
                .with_context(|| format!("`{}` is no number of a network", text.escape_debug()))
        })?;
    }
    let together = "the tables of one kind do not fit together";
    atlas.countries.finish().context(together)?;
    atlas.networks.finish().context(together)?;
    Ok(atlas)
}

fn read_file<T: Copy>(
    file: &Path,
    ranges: &mut Ranges<T>,
    read: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    let name = file.display();
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read {name}"))?;
    for row in rows.records() {
        let row = row.with_context(|| format!("cannot read {name}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |at: usize| row.get(at).unwrap_or("");
        let address = |at: usize| {
            cell(at).parse().with_context(|| format!("`{}` is no address", cell(at).escape_debug()))
        };
        let mut add =
            || -> anyhow::Result<()> { Ok(ranges.push(address(0)?, address(1)?, read(cell(2))?)?) };
        add().with_context(|| format!("{name}:{line}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(countries: &str, networks: &str) -> Result<Atlas, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, other) = (dir.path().join("countries.csv"), dir.path().join("asn.csv"));
        std::fs::write(&one, countries).expect("written");
        std::fs::write(&other, networks).expect("written");
        let config =
            Config { country_files: vec![one], network_files: vec![other], ..Config::default() };
        read(&config)
            .map_err(|error| format!("{error:#}").replace(&dir.path().display().to_string(), "DIR"))
    }

    #[test]
    fn tables_are_read_and_faults_are_named_with_their_line() {
        let atlas = places(
            "192.0.2.0,192.0.2.255,GB\n2001:db8::,2001:db8::ffff,DE\n",
            "192.0.2.0,192.0.2.255,64500,\"Example, Ltd\"\n",
        )
        .expect("good tables");
        let place = atlas.place([192, 0, 2, 7].into());
        assert_eq!(place.country.map(|country| country.to_string()).as_deref(), Some("GB"));
        assert_eq!(place.asn, Some(64_500));
        assert_eq!(atlas.place([198, 51, 100, 1].into()), types::Place::default());
        let fault = |countries: &str, networks: &str| places(countries, networks).err();
        assert_eq!(
            fault("192.0.2.0,192.0.2.255,GB\nfoo,192.0.3.1,GB\n", "").as_deref(),
            Some("DIR/countries.csv:2: `foo` is no address: invalid IP address syntax")
        );
        assert!(fault("192.0.2.0,192.0.2.255,Britain\n", "").is_some_and(|it| it.contains(":1: ")));
        assert!(fault("", "192.0.2.9,192.0.2.1,7\n").is_some_and(|it| it.contains("is behind")));
        assert!(
            fault("", "1.0.0.0,1.0.0.9,7\n1.0.0.5,1.0.0.8,8\n")
                .is_some_and(|it| it.contains("overlap"))
        );
    }
}
