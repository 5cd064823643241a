//! Secrets in their columns. Lives here: which value of a line or trunk is bound to what, what becomes
//! of one that does not open. Never here: keys, the cipher (`seal`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use types::account::{FormerSecret, Ha1};
use types::{
    DeviceId, Line, LineStatus, TotpSecret, Trunk, TrunkAuth, TrunkId, UnixMicros, WebUser,
    WebUserId,
};

use super::{rows, web_users};
use crate::error::StoreError;
use crate::seal::{Algorithm, Bound, KeyId, OpenError, Sealer};
use crate::verification::{Sealing, Unopened, WhatSealed};

/// The verifiers of a line, sealed.
pub struct SealedLine {
    pub md5: Vec<u8>,
    pub sha256: Vec<u8>,
    pub former: Vec<SealedFormer>,
}

/// A former secret as it is kept.
#[derive(Serialize, Deserialize)]
pub struct SealedFormer {
    /// Sealed, in base64.
    md5: String,
    /// Sealed, in base64.
    sha256: String,
    replaced: UnixMicros,
    grace_until: Option<UnixMicros>,
    grace_devices: Vec<DeviceId>,
}

impl SealedFormer {
    /// What can be told without a key.
    pub fn unopened(&self) -> FormerSecret {
        FormerSecret {
            ha1: Ha1 { md5: [0; 16], sha256: [0; 32] },
            replaced: self.replaced,
            grace_until: self.grace_until,
            grace_devices: self.grace_devices.clone(),
        }
    }

    /// What is sealed, as text.
    pub fn texts(&self) -> (&str, &str) {
        (&self.md5, &self.sha256)
    }
}

/// Seals the verifiers of a line.
pub fn line(sealer: &Sealer, line: &Line) -> rusqlite::Result<SealedLine> {
    let seal = |ha1: &Ha1, place: usize| {
        let md5 = sealer.seal(verifier(line, Algorithm::Md5, place), &ha1.md5)?;
        let sha256 = sealer.seal(verifier(line, Algorithm::Sha256, place), &ha1.sha256)?;
        Ok((md5, sha256))
    };
    let former = |(index, former): (usize, &FormerSecret)| {
        let (md5, sha256) = seal(&former.ha1, index + 1)?;
        Ok(SealedFormer {
            md5: STANDARD.encode(md5),
            sha256: STANDARD.encode(sha256),
            replaced: former.replaced,
            grace_until: former.grace_until,
            grace_devices: former.grace_devices.clone(),
        })
    };
    let all = || {
        let (md5, sha256) = seal(&line.ha1, 0)?;
        let former = line.former.iter().enumerate().map(former).collect::<Result<_, _>>()?;
        Ok(SealedLine { md5, sha256, former })
    };
    all().map_err(cannot_seal)
}

/// Seals the secret of a trunk.
pub fn trunk(sealer: &Sealer, id: TrunkId, auth: &TrunkAuth) -> rusqlite::Result<Vec<u8>> {
    sealer.seal(Bound::Trunk(id), auth.secret.as_bytes()).map_err(cannot_seal)
}

/// Seals the secret of a web user's authenticator.
pub fn web_user(sealer: &Sealer, id: WebUserId, totp: &TotpSecret) -> rusqlite::Result<Vec<u8>> {
    sealer.seal(Bound::WebUser(id), &totp.0).map_err(cannot_seal)
}

/// Writes down which key seals from now on.
pub fn prove(conn: &Connection, sealer: &Sealer) -> rusqlite::Result<()> {
    let proof = sealer.seal(Bound::Proof, b"").map_err(cannot_seal)?;
    conn.execute("INSERT INTO sealing_key (proof) VALUES ($1)", [proof]).map(drop)
}

/// The key that sealed last, if any has; an error if it is not among the sealer's.
pub fn check(conn: &Connection, sealer: &Sealer, file: &str) -> Result<Option<KeyId>, StoreError> {
    use super::connect::Doing;
    let Some(proof) = last_proof(conn).doing(file, "ask for the sealing key")? else {
        return Ok(None);
    };
    let problem = match sealer.open(Bound::Proof, &proof) {
        Ok(_) => return Ok(KeyId::named_by(&proof)),
        Err(OpenError::NoKey(key, source)) => format!(
            "its secrets are sealed with key {key}, which is not in {source}: put the key file of \
             this database back from your copy; without it every secret is lost and has to be set anew"
        ),
        Err(OpenError::Forged) => {
            "the key does not open it: was node.realm changed? Secrets belong to their realm: set it \
             back to what it was"
                .to_owned()
        }
        Err(OpenError::NotSealed) => "the note of its sealing key is damaged".to_owned(),
    };
    Err(StoreError::WrongKey { file: file.to_owned(), problem })
}

/// The key that sealed last.
pub fn last_key(conn: &Connection) -> rusqlite::Result<Option<KeyId>> {
    Ok(last_proof(conn)?.and_then(|proof| KeyId::named_by(&proof)))
}

fn last_proof(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.query_row("SELECT proof FROM sealing_key ORDER BY seq DESC LIMIT 1", [], |row| row.get(0))
        .optional()
}

fn verifier(line: &Line, algorithm: Algorithm, place: usize) -> Bound {
    let place = u8::try_from(place).unwrap_or(u8::MAX);
    Bound::Verifier { account: line.account, line: line.id, algorithm, place }
}

fn cannot_seal(error: crate::seal::KeysError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Why something does not open, in words; `None`: there are no keys to try.
type WhyNot = Option<String>;

/// Opens rows as they are read, and remembers those that do not open.
///
/// A line that does not open is disabled, with verifiers that nobody knows; a trunk has no secret
/// then, and is out of use. Without keys, for lists, nothing is tried.
pub struct Opener<'s> {
    sealer: Option<&'s Sealer>,
    unopened: RefCell<Vec<Unopened>>,
    /// Keys named by the row that is being read.
    named: RefCell<BTreeSet<KeyId>>,
    untried: Cell<bool>,
}

impl<'s> Opener<'s> {
    pub fn new(sealer: Option<&'s Sealer>) -> Opener<'s> {
        let (unopened, named) = (RefCell::default(), RefCell::default());
        Opener { sealer, unopened, named, untried: Cell::new(false) }
    }

    /// Were there secrets, and no keys?
    pub fn lacked_keys(&self) -> bool {
        self.untried.get()
    }

    /// What did not open.
    pub fn unopened(self) -> Vec<Unopened> {
        self.unopened.into_inner()
    }

    /// Keys that the last row named.
    fn take_named(&self) -> BTreeSet<KeyId> {
        self.named.take()
    }

    /// Opens the verifiers of a line, all of them or none.
    pub fn line(&self, line: &mut Line, sealed: &SealedLine) -> rusqlite::Result<()> {
        let opened = self.line_secrets(line, sealed);
        if let Ok((ha1, former)) = opened {
            (line.ha1, line.former) = (ha1, former);
            return Ok(());
        }
        line.ha1 = unknown_ha1()?;
        if let Err(Some(why)) = opened {
            line.status = LineStatus::Disabled;
            let what = WhatSealed::Line(line.id, line.user.clone());
            self.unopened.borrow_mut().push(Unopened { what, why });
        }
        Ok(())
    }

    fn line_secrets(
        &self,
        line: &Line,
        sealed: &SealedLine,
    ) -> Result<(Ha1, Vec<FormerSecret>), WhyNot> {
        let ha1 = |md5: &[u8], sha256: &[u8], place: usize| {
            Ok::<Ha1, WhyNot>(Ha1 {
                md5: self.exact(verifier(line, Algorithm::Md5, place), md5)?,
                sha256: self.exact(verifier(line, Algorithm::Sha256, place), sha256)?,
            })
        };
        let bytes = |text: &str| {
            STANDARD.decode(text).map_err(|_| Some("a former verifier is no base64".to_owned()))
        };
        let former = |(index, former): (usize, &SealedFormer)| {
            Ok::<FormerSecret, WhyNot>(FormerSecret {
                ha1: ha1(&bytes(&former.md5)?, &bytes(&former.sha256)?, index + 1)?,
                replaced: former.replaced,
                grace_until: former.grace_until,
                grace_devices: former.grace_devices.clone(),
            })
        };
        let current = ha1(&sealed.md5, &sealed.sha256, 0)?;
        let former = sealed.former.iter().enumerate().map(former).collect::<Result<_, _>>()?;
        Ok((current, former))
    }

    /// Opens the secret of a trunk.
    pub fn trunk(&self, trunk: &mut Trunk, sealed: &[u8]) {
        let opened = self.open(Bound::Trunk(trunk.id), sealed).and_then(|plain| {
            String::from_utf8(plain.to_vec()).map_err(|_| Some("it is not text".to_owned()))
        });
        match (opened, &mut trunk.auth) {
            (Ok(secret), Some(auth)) => auth.secret = secret,
            (Err(Some(why)), _) => {
                trunk.enabled = false;
                let what = WhatSealed::Trunk(trunk.id, trunk.name.clone());
                self.unopened.borrow_mut().push(Unopened { what, why });
            }
            _ => {}
        }
    }

    /// Opens the secret of a web user's authenticator. One that does not open lets no code in.
    pub fn web_user(&self, user: &mut WebUser, sealed: &[u8]) {
        match self.open(Bound::WebUser(user.id), sealed) {
            Ok(plain) => user.totp = Some(TotpSecret(plain.to_vec())),
            Err(why) => {
                user.password = None;
                if let Some(why) = why {
                    let what = WhatSealed::WebUser(user.id, user.name.clone());
                    self.unopened.borrow_mut().push(Unopened { what, why });
                }
            }
        }
    }

    fn exact<const N: usize>(&self, bound: Bound, sealed: &[u8]) -> Result<[u8; N], WhyNot> {
        let plain = self.open(bound, sealed)?;
        let exact = plain.as_slice().try_into();
        exact.map_err(|_| Some(format!("it has {} bytes, not {N}", plain.len())))
    }

    fn open(&self, bound: Bound, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, WhyNot> {
        let Some(sealer) = self.sealer else {
            self.untried.set(true);
            return Err(None);
        };
        self.named.borrow_mut().extend(KeyId::named_by(sealed));
        sealer.open(bound, sealed).map_err(|error| Some(error.to_string()))
    }
}

/// Verifiers that no secret has.
fn unknown_ha1() -> rusqlite::Result<Ha1> {
    let mut ha1 = Ha1 { md5: [0; 16], sha256: [0; 32] };
    let filled = getrandom::fill(&mut ha1.md5).and_then(|()| getrandom::fill(&mut ha1.sha256));
    filled.map_err(|error| cannot_seal(crate::seal::KeysError::NoDice(error.to_string())))?;
    Ok(ha1)
}

/// Opens every row: which key seals how many, which do not open, which wait for the newest key.
pub fn survey(conn: &Connection, sealer: &Sealer) -> rusqlite::Result<Sealing> {
    let newest = sealer.keys().newest().id();
    let opener = Opener::new(Some(sealer));
    let mut sealing = Sealing::default();
    let mut rows_of: BTreeMap<KeyId, u64> = BTreeMap::new();
    let mut note = |what: WhatSealed| {
        let named = opener.take_named();
        let is_old = named.iter().any(|key| *key != newest);
        let has_failed = opener.unopened.borrow().last().is_some_and(|last| last.what == what);
        sealing.rows += 1;
        for key in named {
            *rows_of.entry(key).or_default() += 1;
        }
        if is_old && !has_failed {
            sealing.old.push(what);
        }
    };
    let tx = conn.unchecked_transaction()?;
    let mut lines = tx.prepare(&format!("{} ORDER BY id", rows::LINE))?;
    let mut found = lines.query([])?;
    while let Some(row) = found.next()? {
        let line = rows::line(row, &opener)?;
        note(WhatSealed::Line(line.id, line.user));
    }
    let mut trunks = tx.prepare(rows::TRUNK)?;
    let mut found_trunks = trunks.query([])?;
    while let Some(row) = found_trunks.next()? {
        let trunk = rows::trunk(row, &opener)?;
        if trunk.auth.is_some() {
            note(WhatSealed::Trunk(trunk.id, trunk.name));
        }
    }
    let mut users =
        tx.prepare(&format!("{} WHERE totp IS NOT NULL ORDER BY id", web_users::USER))?;
    let mut found_users = users.query([])?;
    while let Some(row) = found_users.next()? {
        let user = web_users::read(row, &opener)?;
        note(WhatSealed::WebUser(user.id, user.name));
    }
    drop(found_users);
    drop(users);
    drop(found_trunks);
    drop(trunks);
    drop(found);
    drop(lines);
    tx.finish()?;
    sealing.keys = rows_of.into_iter().collect();
    sealing.unopened = opener.unopened();
    Ok(sealing)
}
