//! Tests of bill runs.
