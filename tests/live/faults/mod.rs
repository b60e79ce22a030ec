//! What may go wrong: files, hosts, their disks, the line between, the controller and its clock.

mod bad_input;
mod breakage;
mod clock;
mod controller;
mod dead_man;
mod disrupted;
mod half_way;
mod host;
mod hostile;
mod killed;
mod link;
mod proxy;
mod rebooted;
mod returning;
mod silent;
mod stopped;
mod tmpfs;
