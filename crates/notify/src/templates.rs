//! Forms of messages. Lives here: the built-in templates, the operator's in their place, errors that name file and line.
//! Never here: what is said (`message`).

use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::message::{House, Message, samples};

/// Bytes of a template at most.
const LARGEST: u64 = 256 << 10;

/// Each template there is: its name, what is built in.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("subject.txt", include_str!("../templates/subject.txt")),
    ("mail.txt", include_str!("../templates/mail.txt")),
    ("mail.html", include_str!("../templates/mail.html")),
    ("sms.txt", include_str!("../templates/sms.txt")),
    ("sms.json", include_str!("../templates/sms.json")),
    ("chat.json", include_str!("../templates/chat.json")),
];

/// A template that does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("cannot read the template {}: {why}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// It is not a template, or asks for what is not there.
    #[error("{place}: {why}")]
    Wrong {
        /// File and line.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// There is none of this name.
    #[error(
        "there is no template `{0}`: a webhook's template is a file {0}.json in the directory of templates"
    )]
    Missing(String),
}

/// All templates, ready.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    directory: Option<PathBuf>,
}

impl Templates {
    /// The built-in ones, and in their place, or besides, the files of a directory that end in `.txt`, `.html` or `.json`.
    /// Every one is tried with every kind of message.
    pub fn load(directory: Option<&Path>) -> Result<Templates, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
            Some("html") => AutoEscape::Html,
            Some("json") => AutoEscape::Json,
            _ => AutoEscape::None,
        });
        let mut templates = Templates { environment, directory: directory.map(Path::to_owned) };
        for (name, source) in BUILT_IN {
            templates.add(name, (*source).to_owned())?;
        }
        if let Some(directory) = directory {
            templates.add_directory(directory)?;
        }
        templates.try_all()?;
        Ok(templates)
    }

    fn add(&mut self, name: &str, source: String) -> Result<(), TemplateError> {
        let added = self.environment.add_template_owned(name.to_owned(), source);
        added.map_err(|error| self.wrong(&error))
    }

    fn add_directory(&mut self, directory: &Path) -> Result<(), TemplateError> {
        let unread = |file: &Path, why: std::io::Error| TemplateError::Read {
            file: file.to_owned(),
            why: why.to_string(),
        };
        let entries = std::fs::read_dir(directory).map_err(|why| unread(directory, why))?;
        for entry in entries {
            let path = entry.map_err(|why| unread(directory, why))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let is_template =
                |name: &String| [".txt", ".html", ".json"].iter().any(|end| name.ends_with(end));
            let Some(name) = name.filter(is_template) else { continue };
            let length = path.metadata().map_err(|why| unread(&path, why))?.len();
            if length > LARGEST {
                let why = std::io::Error::other(format!("it has more than {LARGEST} bytes"));
                return Err(unread(&path, why));
            }
            let source = std::fs::read_to_string(&path).map_err(|why| unread(&path, why))?;
            self.add(&name, source)?;
        }
        Ok(())
    }

    /// File and line of an error: the operator's file, where it is his.
    fn wrong(&self, error: &minijinja::Error) -> TemplateError {
        let shown = self.shown(error.name().unwrap_or("a template"));
        let place = match error.line() {
            Some(line) => format!("{shown}:{line}"),
            None => shown,
        };
        let why = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        TemplateError::Wrong { place, why }
    }

    fn shown(&self, name: &str) -> String {
        let file = self.directory.as_ref().map(|directory| directory.join(name));
        let file = file.filter(|file| file.exists());
        file.map_or_else(|| name.to_owned(), |file| file.display().to_string())
    }

    /// A message with its few words.
    pub fn with_text(&self, message: Message) -> Result<Message, TemplateError> {
        let text = self.render("sms.txt", &message)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(Message { text: words.join(" "), ..message })
    }

    fn try_all(&self) -> Result<(), TemplateError> {
        let house = House {
            platform: "Ringfence".to_owned(),
            portal_url: Some("https://portal.example.com".to_owned()),
            domain: "example.com".to_owned(),
            currency: "GBP".to_owned(),
        };
        let names: Vec<String> =
            self.environment.templates().map(|(name, _)| name.to_owned()).collect();
        for portal_url in [house.portal_url.clone(), None] {
            let house = House { portal_url, ..house.clone() };
            for (_, message) in samples(&house) {
                let message = self.with_text(message)?;
                for name in &names {
                    self.render(name, &message)?;
                }
            }
        }
        Ok(())
    }

    /// A message in one form. What is meant as JSON has to be JSON.
    pub fn render(&self, name: &str, message: &Message) -> Result<String, TemplateError> {
        let found = self.environment.get_template(name);
        let template =
            found.map_err(|_| TemplateError::Missing(name.trim_end_matches(".json").to_owned()))?;
        let text = template.render(message).map_err(|error| self.wrong(&error))?;
        if name.ends_with(".json")
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
        {
            let place = self.shown(name);
            return Err(TemplateError::Wrong { place, why: format!("it makes no JSON: {error}") });
        }
        Ok(text)
    }

    /// The subject of a mail: one line.
    pub fn subject(&self, message: &Message) -> Result<String, TemplateError> {
        let text = self.render("subject.txt", message)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(words.join(" ").chars().take(200).collect())
    }
}
