-- The first schema. Times are microseconds since 1970, money is millionths of the currency unit,
-- yes and no are 1 and 0, names of states are the same words as in the program.
--
-- `INTEGER PRIMARY KEY` is SQLite's word for the row's own number; PostgreSQL wants BIGINT there, and
-- BYTEA for BLOB, and no WITHOUT ROWID. Everything else means the same in both.

CREATE TABLE account (
    id          INTEGER PRIMARY KEY,
    name        TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    sell_deck   BIGINT NOT NULL,
    reseller    BIGINT,
    time_zone   TEXT   NOT NULL,
    controls    TEXT   NOT NULL,  -- JSON
    dial_plan   TEXT   NOT NULL,  -- JSON
    billing_day BIGINT NOT NULL
);

-- Who sells to accounts in the provider's place.
CREATE TABLE reseller (
    id          INTEGER PRIMARY KEY,
    name        TEXT   NOT NULL,
    stop_levels TEXT   NOT NULL   -- JSON
);

CREATE TABLE line (
    id          INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    user_name   TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    ha1_md5     BLOB   NOT NULL,  -- sealed
    ha1_sha256  BLOB   NOT NULL,  -- sealed
    secret_set  BIGINT NOT NULL,
    former      TEXT   NOT NULL,  -- JSON; the verifiers in it are sealed
    reminded    BIGINT NOT NULL,
    wants_new   BIGINT NOT NULL,
    tls_only    BIGINT NOT NULL,
    sha256_only BIGINT NOT NULL,
    status      TEXT   NOT NULL,
    caller_id   BIGINT,
    ip_lock     TEXT   NOT NULL,  -- JSON
    stop_levels TEXT              -- JSON
);
-- Two lines of one name would be two owners of one phone.
CREATE UNIQUE INDEX line_user ON line (user_name);
CREATE INDEX line_account ON line (account);

-- What stood from when on, by whom: appended, never changed.
CREATE TABLE account_history (
    seq         INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    status      TEXT   NOT NULL,
    detail      TEXT   NOT NULL   -- JSON: controls, by whom, why
);
CREATE UNIQUE INDEX account_history_at ON account_history (account, at);

CREATE TABLE line_history (
    seq         INTEGER PRIMARY KEY,
    line        BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    account     BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON: what bounded its use, by whom, why
);
CREATE UNIQUE INDEX line_history_at ON line_history (line, at);

-- What the calls of a trunk cost us, from when on.
CREATE TABLE trunk_history (
    seq         INTEGER PRIMARY KEY,
    trunk       BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    cost_deck   BIGINT
);
CREATE UNIQUE INDEX trunk_history_at ON trunk_history (trunk, at);

-- What stands when the raises of an account have ended, and when they do.
CREATE TABLE account_raises (
    account     INTEGER PRIMARY KEY,
    detail      TEXT   NOT NULL   -- JSON
);

CREATE TABLE control_request (
    id          INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON
);

-- Who logs in at the pages.
CREATE TABLE web_user (
    id          INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    is_removed  BIGINT NOT NULL,
    totp        BLOB,             -- sealed
    detail      TEXT   NOT NULL   -- JSON
);
CREATE UNIQUE INDEX web_user_name ON web_user (name) WHERE is_removed = 0;
CREATE INDEX web_user_account ON web_user (account);

-- Answers to changes that a program may ask for again with the same key, for a day. Not chained: they come and go.
CREATE TABLE kept_answer (
    web_user    BIGINT NOT NULL,
    token       BIGINT NOT NULL,
    key         TEXT   NOT NULL,
    account     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (web_user, token, key)
) WITHOUT ROWID;
CREATE INDEX kept_answer_account ON kept_answer (account);
CREATE INDEX kept_answer_at ON kept_answer (at);

-- Shows which key is needed, before a secret is asked for. The newest row is that of the key that sealed
-- last.
CREATE TABLE sealing_key (
    seq         INTEGER PRIMARY KEY,
    proof       BLOB   NOT NULL   -- sealed
);

CREATE TABLE number (
    e164        INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    line        BIGINT
);

CREATE TABLE trunk (
    id            INTEGER PRIMARY KEY,
    name          TEXT   NOT NULL,
    address       TEXT   NOT NULL,
    transport     TEXT   NOT NULL,
    host          TEXT   NOT NULL,
    auth_user     TEXT,
    auth_secret   BLOB,             -- sealed
    auth_realm    TEXT,
    auth_register BIGINT,
    sources       TEXT   NOT NULL,  -- JSON
    cost_deck     BIGINT,
    number_format TEXT   NOT NULL,
    dial_plan     TEXT   NOT NULL,  -- JSON
    emergency     BIGINT NOT NULL,
    enabled       BIGINT NOT NULL
);

CREATE TABLE trunk_route (
    trunk       BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    prefix      TEXT   NOT NULL,
    priority    BIGINT NOT NULL,
    PRIMARY KEY (trunk, position)
) WITHOUT ROWID;

-- A deck stands from a put until the next: `state` counts the puts of a deck. What stood at any time can be asked.
CREATE TABLE deck_state (
    deck        BIGINT NOT NULL,
    state       BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    PRIMARY KEY (deck, state)
) WITHOUT ROWID;
CREATE UNIQUE INDEX deck_state_at ON deck_state (deck, at);

-- Rows of decks, each with the put it came with and the one that removed or changed it; a put leaves alone what
-- stays the same.
CREATE TABLE rate (
    deck              BIGINT NOT NULL,
    prefix            TEXT   NOT NULL,
    effective         BIGINT NOT NULL,
    since             BIGINT NOT NULL,
    gone              BIGINT,
    name              TEXT   NOT NULL,
    connect_fee       BIGINT NOT NULL,
    per_minute        BIGINT NOT NULL,
    minimum_s         BIGINT NOT NULL,
    first_increment_s BIGINT NOT NULL,
    increment_s       BIGINT NOT NULL,
    PRIMARY KEY (deck, prefix, effective, since)
) WITHOUT ROWID;

CREATE TABLE binding (
    line        BIGINT NOT NULL,
    contact     TEXT   NOT NULL,
    expires     BIGINT NOT NULL,
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (line, contact)
) WITHOUT ROWID;

CREATE TABLE device (
    id          INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    last_seen   BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON
);
CREATE INDEX device_account ON device (account);

-- Who is kept out: log-ins of a scope, whole sources. No end: until it is lifted.
CREATE TABLE lock_out (
    scope       TEXT   NOT NULL,  -- JSON
    until       BIGINT NOT NULL,
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (scope)
) WITHOUT ROWID;

CREATE TABLE ban (
    source      TEXT   NOT NULL,
    until       BIGINT,
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (source)
) WITHOUT ROWID;

CREATE TABLE hold (
    decision    INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    line        BIGINT,
    to_account  BIGINT,
    direction   TEXT   NOT NULL,
    amount      BIGINT NOT NULL,
    covered_ms  BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    answered    BIGINT,
    trunk       BIGINT,
    detail      TEXT   NOT NULL,  -- JSON
    legs        BLOB   NOT NULL
);

CREATE TABLE cdr (
    decision    INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    line        BIGINT,
    to_account  BIGINT,
    direction   TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    class       TEXT   NOT NULL,
    e164        BIGINT,
    region      TEXT,
    hotspot     BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    answered    BIGINT,
    ended       BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    price       BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    trunk       BIGINT,
    cause       TEXT   NOT NULL,
    status      BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON
);
CREATE INDEX cdr_hotspot ON cdr (started) WHERE hotspot = 1;

-- Double entry: a row has both sides, so that debits and credits cannot differ.
CREATE TABLE transfer (
    decision    BIGINT NOT NULL,
    kind        BIGINT NOT NULL,
    debit       BIGINT NOT NULL,  -- kind of ledger account: 1 receivable, 2 revenue, 3 cost, 4 payable,
                                  -- 5 cash, 6 goodwill, 7 written off, 8 instalments
    debit_id    BIGINT NOT NULL,  -- account or trunk; 0 where the kind has but one
    credit      BIGINT NOT NULL,
    credit_id   BIGINT NOT NULL,
    amount      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (decision, kind)
) WITHOUT ROWID;

-- Who ordered a transfer, and why; those of calls order themselves. `seq` is the order of commits.
CREATE TABLE posting (
    seq         INTEGER PRIMARY KEY,
    decision    BIGINT NOT NULL,
    kind        BIGINT NOT NULL,
    account     BIGINT,
    reference   TEXT,
    ordered_by  TEXT   NOT NULL,
    note        TEXT   NOT NULL
);
CREATE UNIQUE INDEX posting_once ON posting (decision, kind);
-- The same payment told twice is there once.
CREATE UNIQUE INDEX posting_reference ON posting (kind, reference) WHERE reference IS NOT NULL;
CREATE INDEX posting_account ON posting (account, seq);

-- The marks say how far the order of commits had come when the run began: moves, and postings.
CREATE TABLE bill_run (
    run           INTEGER PRIMARY KEY,
    day           BIGINT NOT NULL,
    only_account  BIGINT,
    at            BIGINT NOT NULL,
    mark_calls    BIGINT NOT NULL,
    mark_postings BIGINT NOT NULL,
    done          BIGINT NOT NULL
);

CREATE TABLE bill (
    account     BIGINT NOT NULL,
    run         BIGINT NOT NULL,
    previous    BIGINT NOT NULL,  -- run of the bill before; 0 for the first
    total       BIGINT NOT NULL,
    due         BIGINT NOT NULL,
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (account, run)
) WITHOUT ROWID;
-- Bills of an account follow each other: two after the same one would have the same calls.
CREATE UNIQUE INDEX bill_follows ON bill (account, previous);
CREATE INDEX bill_of_run ON bill (run);

CREATE TABLE instalment_plan (
    id          INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON
);

-- What follows is kept in the transaction of the CDR, and can be computed from the CDRs again.
--
-- Accounts call in any order, so that sums and indexes by account would touch pages all over the
-- database with every CDR. Each CDR therefore only adds a short row to `recent`; when there are some
-- thousands, they are moved into the tables below it, sorted, in one go. A question about an account
-- looks at both.

CREATE TABLE recent (
    decision    INTEGER PRIMARY KEY,
    account     BIGINT NOT NULL,
    to_account  BIGINT,
    at          BIGINT NOT NULL,  -- start of the five minutes in which the call ended
    costly      BIGINT NOT NULL,
    price       BIGINT NOT NULL
);

CREATE TABLE account_total (
    account     INTEGER PRIMARY KEY,
    unbilled    BIGINT NOT NULL
);

CREATE TABLE spending (
    at          BIGINT NOT NULL,  -- start of five minutes
    account     BIGINT NOT NULL,
    costly      BIGINT NOT NULL,
    amount      BIGINT NOT NULL,
    PRIMARY KEY (at, account, costly)
) WITHOUT ROWID;

-- The calls of an account, by move: each move writes its rows behind those of the one before.
CREATE TABLE move (
    move           INTEGER PRIMARY KEY,
    first_decision BIGINT NOT NULL,
    last_decision  BIGINT NOT NULL,
    newest         BIGINT NOT NULL   -- start of the five minutes in which the last of its calls ended
);
-- The newest calls of an account are asked for most.
CREATE INDEX move_last ON move (last_decision);

CREATE TABLE account_call (
    move        BIGINT NOT NULL,
    account     BIGINT NOT NULL,
    decision    BIGINT NOT NULL,
    PRIMARY KEY (move, account, decision)
) WITHOUT ROWID;

CREATE TABLE country_called (
    account     BIGINT NOT NULL,
    region      TEXT   NOT NULL,
    PRIMARY KEY (account, region)
) WITHOUT ROWID;

CREATE TABLE fact (
    seq         INTEGER PRIMARY KEY,
    at          BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    account     BIGINT,
    body        TEXT   NOT NULL   -- JSON
);
-- The same fact told twice is there once.
CREATE UNIQUE INDEX fact_once ON fact (at, body);
CREATE INDEX fact_account ON fact (account);
-- The newest of a kind of an account, among very many: how a recovery stands, what was said of the check-up.
CREATE INDEX fact_kind ON fact (account, kind);

-- Who is told, as of when: appended, never changed.
CREATE TABLE contact_history (
    seq         INTEGER PRIMARY KEY,
    contact     BIGINT NOT NULL,
    account     BIGINT,           -- none: the platform's staff
    at          BIGINT NOT NULL,
    detail      TEXT   NOT NULL   -- JSON
);
CREATE UNIQUE INDEX contact_history_at ON contact_history (contact, at);
CREATE INDEX contact_history_account ON contact_history (account);
CREATE INDEX contact_history_since ON contact_history (at);

-- What is to be told, and what became of it. An alert is named by its fact and the entry of the contact.
CREATE TABLE alert (
    fact        BIGINT NOT NULL,
    entry       BIGINT NOT NULL,
    account     BIGINT,
    contact     BIGINT NOT NULL,
    class       TEXT   NOT NULL,
    made        BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    due         BIGINT,           -- when it is looked at again; none: never
    detail      TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (fact, entry)
) WITHOUT ROWID;
CREATE INDEX alert_due ON alert (due) WHERE due IS NOT NULL;
CREATE INDEX alert_account ON alert (account, fact);
CREATE INDEX alert_recent ON alert (contact, class, made);
CREATE INDEX alert_given_up ON alert (state) WHERE state = 'given-up';

-- Up to which fact alerts were derived: moved in the transaction that writes them.
CREATE TABLE alert_mark (
    id          INTEGER PRIMARY KEY,
    fact        BIGINT NOT NULL
);

-- What was recorded cannot be changed unseen: each link is signed, and covers the ones before it. The
-- rows of calls, postings, bills, decks, histories and facts stay as they are, and are hashed again to verify; of
-- rows that are replaced the link keeps what they hashed to.
CREATE TABLE link (
    seq         INTEGER PRIMARY KEY,
    key_id      BIGINT,           -- of the key it was made with; none: everybody's
    kind        BIGINT NOT NULL,
    key         BIGINT NOT NULL,  -- decision, number or id of what it is of; of a bill: run · 2³² + account,
                                  -- of a deck's state: state · 2³² + deck
    part        BIGINT NOT NULL,
    body        BLOB,
    marks       BLOB   NOT NULL,
    hash        BLOB   NOT NULL,
    mac         BLOB   NOT NULL
);

-- The last link of the chain whose call was audited: one row, once there is any.
CREATE TABLE audit_mark (
    one         INTEGER PRIMARY KEY,
    link        BIGINT NOT NULL
);

-- One row for each time a program opened the store to write: the number of its last group that was
-- committed tells the outcome of a commit that nobody could report. The newest decision and time
-- seen outlive the rows that they came with.
CREATE TABLE applied (
    writer        INTEGER PRIMARY KEY,
    group_seq     BIGINT NOT NULL,
    last_decision BIGINT NOT NULL,
    newest        BIGINT NOT NULL
);
