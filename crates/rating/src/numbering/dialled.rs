//! Spelling of a dialled string. Lives here: separators, parameters, the characters that are allowed.
//! Never here: what the digits mean.

/// Longest dialled string that is looked at, in bytes.
const MAX_LENGTH: usize = 256;
/// Most digits: an international prefix, fifteen digits of a number, an outside line, and some.
const MAX_DIGITS: usize = 28;

/// A dialled string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialled {
    /// It began with `+`.
    Global {
        /// Digits without `+`.
        digits: String,
    },
    /// It means what the place where it is dialled says.
    Local {
        /// Digits as dialled.
        digits: String,
        /// Digits of a global `;phone-context=+…`; domains say nothing about digits.
        context: Option<String>,
    },
}

impl Dialled {
    /// Takes apart `subscriber *(";" parameter)` (RFC 3966 §3). `None`: it is not one number.
    ///
    /// Parameters but `phone-context` are left out and never sent: what follows the number
    /// (`;ext=`, `;isub=`, `;postd=`) is not rated. The same behind the number itself (`,`, `p`,
    /// `w`) is refused, and so are letters, `*` and `#`.
    pub(super) fn parse(text: &str) -> Option<Dialled> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (subscriber, parameters) =
            text.split_once(';').map_or((text, None), |(s, p)| (s, Some(p)));
        let (is_global, digits) = read_digits(subscriber)?;
        let context = Context::parse(parameters)?;
        match (is_global, context) {
            (true, Context::Absent) => Some(Dialled::Global { digits }),
            // RFC 3966 §5.1.5: a global number has no context. Two readings are none.
            (true, _) => None,
            (false, Context::Digits(context)) => {
                Some(Dialled::Local { digits, context: Some(context) })
            }
            (false, Context::Absent | Context::Domain) => {
                Some(Dialled::Local { digits, context: None })
            }
        }
    }
}

/// The `phone-context` of a number (RFC 3966 §5.1.5).
enum Context {
    Absent,
    Domain,
    Digits(String),
}

impl Context {
    /// Finds it among the parameters. `None`: it cannot be one, or there are two.
    fn parse(parameters: Option<&str>) -> Option<Context> {
        let mut context = Context::Absent;
        for parameter in parameters.into_iter().flat_map(|all| all.split(';')) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !name.eq_ignore_ascii_case("phone-context") {
                continue;
            }
            context = match (context, value.starts_with('+')) {
                (Context::Absent, true) => Context::Digits(read_digits(value)?.1),
                (Context::Absent, false) if is_domain(value) => Context::Domain,
                _ => return None,
            };
        }
        Some(context)
    }
}

/// Digits without separators, and whether a `+` stood before them.
fn read_digits(text: &str) -> Option<(bool, String)> {
    let mut is_global = false;
    let mut digits = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if digits.len() < MAX_DIGITS => digits.push(character),
            '+' if digits.is_empty() && !is_global => is_global = true,
            // RFC 3966 §5.1.1; people's address books add the space.
            '-' | '.' | '(' | ')' | ' ' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some((is_global, digits))
}

fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
