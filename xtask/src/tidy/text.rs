//! What every file must have, and must not have.

use anyhow::{Result, bail};

use crate::shell_out::{output, root};

const LONG: usize = 400;

/// Every file that git knows: path, content. Files that are not text are left out.
fn files() -> Result<Vec<(String, String)>> {
    let listed = output(std::process::Command::new("git").current_dir(root()).arg("ls-files"))?;
    Ok(listed
        .lines()
        .filter_map(|path| {
            let content = std::fs::read_to_string(root().join(path)).ok()?;
            Some((path.to_owned(), content))
        })
        .collect())
}

/// Every Rust file that git knows.
pub fn sources() -> Result<Vec<(String, String)>> {
    Ok(files()?.into_iter().filter(|(path, _)| path.ends_with(".rs")).collect())
}

/// The file up to its tests.
pub fn without_tests(content: &str) -> &str {
    match content.find("\n#[cfg(test)]\nmod ") {
        Some(end) => &content[..end + 1],
        None => content,
    }
}

/// No path of somebody's machine in any file.
pub fn check_paths() -> Result<()> {
    // Put together here, so that this file does not find itself.
    let forbidden: Vec<String> =
        ["work", "tmp", "root", "home"].iter().map(|place| format!("/{place}/")).collect();
    let mut complaints = Vec::new();
    for (path, content) in files()? {
        for (at, line) in content.lines().enumerate() {
            if names_a_path(line, &forbidden) {
                complaints.push(format!("{path}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    if !complaints.is_empty() {
        bail!("paths of a machine:\n{}", complaints.join("\n"));
    }
    Ok(())
}

fn names_a_path(line: &str, forbidden: &[String]) -> bool {
    forbidden.iter().any(|place| {
        line.match_indices(place.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}'))
        })
    })
}

/// Each source file says what lives there.
pub fn check_headers() -> Result<()> {
    let complaints: Vec<String> = sources()?
        .into_iter()
        .filter(|(path, content)| !path.starts_with("fuzz/") && !content.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    if !complaints.is_empty() {
        bail!("no `//! what lives here` at the top:\n{}", complaints.join("\n"));
    }
    Ok(())
}

/// Files that ask to be two; a report, no error.
pub fn long_files() -> Result<Vec<String>> {
    Ok(sources()?
        .into_iter()
        .filter_map(|(path, content)| {
            let lines = without_tests(&content).lines().count();
            (lines > LONG).then(|| format!("{path} has {lines} lines besides its tests"))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paths() {
        let forbidden = vec![format!("/{}/", "work")];
        let place = &forbidden[0];
        assert!(names_a_path(&format!("see {place}main"), &forbidden));
        assert!(names_a_path(&format!("\"{place}main\""), &forbidden));
        assert!(!names_a_path(&format!("a{place}b"), &forbidden));
        assert!(!names_a_path("work/main", &forbidden));
    }
}
