//! The pages over real HTTP: who may open what, what a browser is told, signing in.

mod calls;
mod letting_in;
mod lock;
mod mending;
mod pages;
mod phones;
mod places;
mod telling;
mod wood;
mod world;
