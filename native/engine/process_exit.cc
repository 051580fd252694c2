#include "engine/process_exit.h"

#include <cstdlib>
#include <mutex>
#include <set>

#include "engine/engine.h"

namespace punie::engine {

namespace {

struct Live {
  std::mutex mutex;
  std::set<Engine*> engines;
};

/// Never destroyed: threads may end after static destructors have begun.
Live& live() {
  static Live* const instance = new Live;
  return *instance;
}

void stop_all() {
  // The lock is held throughout, so that no engine is destroyed while it is being joined here.
  const std::lock_guard lock(live().mutex);
  for (auto* engine : live().engines) engine->stop();
  for (auto* engine : live().engines) engine->join();
}

}  // namespace

void stop_at_exit(Engine* engine) {
  const std::lock_guard lock(live().mutex);
  live().engines.insert(engine);
}

void forget_at_exit(Engine* engine) {
  const std::lock_guard lock(live().mutex);
  live().engines.erase(engine);
}

void arm_exit_handler() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(stop_all); });
}

}  // namespace punie::engine
