#!/usr/bin/env node
/** The `punie` command. */
import { runCli } from "./run.js";

process.exitCode = await runCli(process.argv.slice(2));
