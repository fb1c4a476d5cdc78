#!/usr/bin/env node
// npm links a command only to a file that is there when it installs; what it starts is compiled later.
import '../dist/main.js'
