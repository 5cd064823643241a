//! No socket, file, clock, dice, thread or global in the pure zone: by the words that bring them in.

use anyhow::{Result, bail};

use super::text::{sources, without_tests};
use super::walls::PURE;

const FORBIDDEN: [&str; 22] = [
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "std::time::Instant",
    "Instant::now",
    "SystemTime",
    "Zoned::now",
    "Timestamp::now",
    "tokio",
    "async fn",
    "println!",
    "eprintln!",
    "static mut",
    "thread_local!",
    "OnceLock",
    "LazyLock",
    "RandomState",
    "std::collections::HashMap",
];

/// An error that names each place.
pub fn check() -> Result<()> {
    let mut complaints = Vec::new();
    for (path, content) in sources()? {
        let pure = PURE.iter().any(|room| path.starts_with(&format!("crates/{room}/src/")));
        if pure {
            complaints.extend(
                words(&content).into_iter().map(|(line, word)| format!("{path}:{line}: {word}")),
            );
        }
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    Ok(())
}

fn words(content: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, line) in without_tests(content).lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        found.extend(
            FORBIDDEN.iter().filter(|word| code.contains(**word)).map(|word| (at + 1, *word)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_in_code_only() {
        fn check(content: &str, want: &[(usize, &str)]) {
            assert_eq!(words(content), want, "{content}");
        }
        check("use std::fs;\n", &[(1, "std::fs")]);
        check("// std::fs is not used here\n", &[]);
        check("fn a() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}\n", &[]);
        check(
            "\nlet now = std::time::Instant::now();",
            &[(2, "std::time::Instant"), (2, "Instant::now")],
        );
    }
}
