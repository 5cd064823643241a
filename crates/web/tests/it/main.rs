//! The pages over real HTTP: who may open what, what a browser is told, signing in.

mod api;
mod calls;
mod keys;
mod letting_in;
mod lock;
mod mending;
mod pages;
mod phones;
mod places;
mod telling;
mod tokens;
mod wood;
mod world;
