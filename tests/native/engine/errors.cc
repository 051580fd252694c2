// What the engine makes of errors that nothing below it has seen to.

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "small_model.h"

namespace {

using namespace punie;
using tests::request_of;
using tests::SmallModel;

void require(bool holds, const char* promise) {
  std::printf("%s  %s\n", holds ? "ok  " : "FAIL", promise);
  if (!holds) std::exit(1);
}

/// Takes events, but for the first of the prompt's, where memory runs out.
class Told {
 public:
  void take(engine::Event event) {
    const std::lock_guard lock(mutex_);
    if (std::holds_alternative<engine::PrefillEvent>(event) && !std::exchange(failed_, true)) throw std::bad_alloc();
    events_.push_back(std::move(event));
    changed_.notify_all();
  }

  /// Waits for one.
  template <typename Event, typename Matches>
  Event wait(Matches matches) {
    std::unique_lock lock(mutex_);
    const engine::Event* found = nullptr;
    changed_.wait(lock, [&] {
      for (const auto& event : events_) {
        if (const auto* one = std::get_if<Event>(&event); one != nullptr && matches(*one)) found = &event;
      }
      return found != nullptr;
    });
    return std::get<Event>(*found);
  }

  template <typename Event>
  int count() {
    const std::lock_guard lock(mutex_);
    int found = 0;
    for (const auto& event : events_) found += std::holds_alternative<Event>(event) ? 1 : 0;
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<engine::Event> events_;
  bool failed_ = false;
};

}  // namespace

int main() {
  const SmallModel model;
  Told told;
  {
    engine::EngineOptions options;
    options.context_length = 128;
    engine::Engine engine(model.spec(), options, [&](engine::Event event) { told.take(std::move(event)); });
    told.wait<engine::LoadedEvent>([](const auto&) { return true; });
    for (std::int64_t id = 1; id <= 2; ++id) engine.start(request_of(id));
    const auto failed = told.wait<engine::ErrorEvent>([](const auto& event) { return event.request == 1; });
    require(failed.code == "OUT_OF_MEMORY", "an error outside of any pass ends the request under way");
    engine.start(request_of(3));
    const auto finish = told.wait<engine::FinishEvent>([](const auto& event) { return event.request == 3; });
    require(finish.completion_tokens == 12, "and the engine serves the next one");
  }
  require(told.count<engine::ErrorEvent>() + told.count<engine::FinishEvent>() == 3, "each request ends once");
  require(told.count<engine::LoadFailedEvent>() == 0, "a model that was ready is not told to have failed to load");
  require(told.count<engine::StoppedEvent>() == 1, "and it stops when it is told to");
}
