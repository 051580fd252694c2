#include "tokenizer/vocabulary.h"

#include <array>
#include <bit>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

Vocabulary::Vocabulary() {
  entries_.reserve(kUsualTokens);
  bytes_.reserve(kUsualBytes);
}

void Vocabulary::add(std::string_view written, std::uint32_t id) {
  if (written.empty()) throw Unserved("an empty token");
  if (has(id)) throw Unserved("two tokens with the id " + std::to_string(id));
  if (id >= size()) entries_.resize(id + 1);
  Entry& entry = entries_[id];
  const auto offset = bytes_.size();
  entry.form = append_bytes_of(written, bytes_) ? kBytes : kText;
  if (entry.form == kText) bytes_.append(written);
  entry.offset = static_cast<std::uint32_t>(offset);
  entry.length = static_cast<std::uint32_t>(bytes_.size() - offset) & 0x7fffffff;
  ++count_;
}

void Vocabulary::index() {
  slots_.assign(std::bit_ceil(std::size_t{count_} + count_ / 2 + 16), Slot{});
  // An id is placed a few steps after its slot was asked for.
  constexpr std::uint32_t kAhead = 16;
  std::array<std::uint64_t, kAhead> hashes{};
  for (std::uint32_t i = 0; i < size() + kAhead; ++i) {
    if (i >= kAhead && has(i - kAhead)) insert(i - kAhead, hashes[i % kAhead]);
    if (i >= size() || !has(i)) continue;
    hashes[i % kAhead] = hash_bytes(token(i), entries_[i].form);
    prefetch(&slots_[home(hashes[i % kAhead])]);
  }
}

bool Vocabulary::holds(const Slot& slot, std::string_view bytes, Form form) const {
  return slot.first_bytes == load_bytes(bytes) && slot.length == bytes.size() && slot.form == form &&
         (bytes.size() <= sizeof slot.first_bytes || token(slot.id) == bytes);
}

void Vocabulary::insert(std::uint32_t id, std::uint64_t hash) {
  const auto bytes = token(id);
  const auto form = static_cast<Form>(entries_[id].form);
  auto at = home(hash);
  for (std::uint32_t probes = 0; slots_[at].id != kNone; at = next(at)) {
    if (holds(slots_[at], bytes, form)) {
      throw Unserved("a token is there twice, with the ids " + std::to_string(slots_[at].id) + " and " +
                     std::to_string(id));
    }
    if (++probes > kMostProbes) throw Unserved("tokens that collide");
  }
  slots_[at] = {load_bytes(bytes), entries_[id].length, form, id};
}

std::uint32_t Vocabulary::find(std::string_view bytes, Form form, std::uint64_t hash) const {
  if (slots_.empty()) return kNone;
  for (auto at = home(hash); slots_[at].id != kNone; at = next(at)) {
    if (holds(slots_[at], bytes, form)) return slots_[at].id;
  }
  return kNone;
}

std::uint32_t Vocabulary::find_written(std::string_view written) const {
  std::string bytes;
  if (append_bytes_of(written, bytes)) return find(bytes);
  return find(written, kText, hash_bytes(written, kText));
}

}  // namespace punie::tokenizer
