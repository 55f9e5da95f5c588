//! Whole-system tests: the compiled component, the library and the binary, on real input and on
//! hostile input.
//!
//! A single binary links Wasmtime once. Each test has its own engine, pool and folder: tests
//! share no port and no file, and run in any order.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests have no traces of their own"
)]

#[path = "../acceptance/mod.rs"]
mod acceptance;
mod access;
mod admission;
mod allow_net;
mod backtraces;
mod bad_components;
mod bad_input;
mod blocking_service;
mod browser;
mod channels;
mod code_cache;
mod collector;
mod command_line;
mod config;
mod container;
mod contract;
mod core_modules;
mod denied_calls;
mod deploy;
mod deploy_compose;
mod deploy_handler;
mod deploy_policies;
mod deploy_queue;
mod deploy_schema;
mod deterministic;
mod digits;
mod exec;
mod exec_bytes;
mod exec_exit_codes;
mod exec_input;
mod exec_json;
mod exec_lanes;
mod exec_lines;
mod exec_order;
mod exec_shards;
mod exec_stop;
mod exec_terminal;
mod export;
mod fan_out;
mod file_calls;
mod function_calls;
mod grants;
mod handler_languages;
mod handler_reload;
mod handler_routes;
mod handler_start;
mod handlers;
mod handlers_clients;
mod handlers_departure;
mod handlers_hostile;
mod handlers_neighbours;
mod handlers_overload;
mod handlers_p3;
mod handlers_protocol;
mod harness;
mod health;
mod host_memory;
mod hostile_factorial;
mod hostile_program;
mod inspection;
mod languages;
mod large;
mod layers;
mod library;
mod logs;
mod manifests;
mod neighbours;
mod numbered_grants;
mod observability;
mod otlp;
mod outgoing;
mod output;
mod page;
mod programs_p3;
mod promises;
mod queue;
mod queue_campaign;
mod queue_drain;
mod queue_faults;
mod queue_hostile;
mod queue_model;
mod queue_tls;
mod queue_traces;
mod queue_workers;
mod redis;
mod redis_proxy;
mod registries;
mod registry;
mod registry_credentials;
mod registry_faults;
mod resident_places;
mod service;
mod service_admission;
mod service_any_input;
mod service_api;
mod service_batch;
mod service_connections;
mod service_cuts;
mod service_drain;
mod service_hostile;
mod service_places;
mod service_protocol;
mod service_representation;
mod shell;
mod stock_components;
mod telemetry;
mod tools;
mod traces;
mod traces_commands;
mod unknown_variables;
mod verify;
mod worlds;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the example has a `main`, which is not called here"
)]
#[path = "../examples/pipe.rs"]
mod pipe;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the example has a `main`, which is not called here"
)]
#[path = "../examples/program.rs"]
mod program;
