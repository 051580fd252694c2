#pragma once

namespace punie::engine {

class Engine;

/// Engines whose threads are stopped and joined when the process calls exit(), before MLX's own static state, which
/// they use, is destroyed.
void stop_at_exit(Engine* engine);
void forget_at_exit(Engine* engine);
/// Registers the handler; call once MLX has made its static state, because handlers run in reverse.
void arm_exit_handler();

}  // namespace punie::engine
