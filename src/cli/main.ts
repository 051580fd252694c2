#!/usr/bin/env node
/** The `punie` command. */
import { leaveWhenStdoutCloses } from "./output.js";
import { runCli } from "./run.js";

leaveWhenStdoutCloses();
process.exitCode = await runCli(process.argv.slice(2));
