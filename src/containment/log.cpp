// SPDX-License-Identifier: Apache-2.0
#include "containment/log.hpp"

#include <algorithm>
#include <utility>

namespace smmu::containment {
namespace {

// What two refusals have in common when the later one is a repeat. The page tells most of them
// apart.
RepeatKey key_of(const Transgression& t) {
    return {t.address.value >> ReaderQueue::repeat_log2,
            t.address_known,
            t.unit,
            t.stream,
            t.stream_known,
            t.device,
            t.access,
            t.cause,
            t.owner_object};
}

}  // namespace

void ReaderQueue::announce() {
    if (announced_ || !queue_.empty()) return;
    announced_ = true;
    if (callback_) callback_();
}

void ReaderQueue::put(const Transgression& transgression) {
    Count& count = counts_[transgression.device];
    ++count.seen;
    const RepeatKey key = key_of(transgression);
    const auto repeat = std::ranges::find_if(
        queue_, [&](const Transgression& waiting) { return key_of(waiting) == key; });
    if (repeat != queue_.end()) {
        ++repeat->count;
        ++count.coalesced;
        return;
    }
    if (count.waiting >= slots_per_device ||
        (queue_.size() >= slots && !make_room_for(transgression.device))) {
        ++count.dropped;
        dropped_ = true;
        return;
    }
    announce();
    queue_.push_back(transgression);
    announced_ = false;
    ++count.waiting;
}

// A storm of some devices must not cost a quiet device its record: the newest record of the device
// that holds the most slots goes, when that device would still hold more than `source`.
bool ReaderQueue::make_room_for(Source source) {
    const auto greatest = std::ranges::max_element(
        counts_, {}, [](const auto& entry) { return entry.second.waiting; });
    if (greatest->second.waiting <= counts_[source].waiting + 1) return false;
    const auto newest =
        std::ranges::find_if(queue_.rbegin(), queue_.rend(),
                             [&](const Transgression& t) { return t.device == greatest->first; });
    Count& count = greatest->second;
    count.coalesced -= newest->count - 1;
    count.dropped += newest->count;
    --count.waiting;
    queue_.erase(std::next(newest).base());
    dropped_ = true;
    return true;
}

std::optional<Reader::Record> ReaderQueue::next() noexcept {
    if (queue_.empty()) return std::nullopt;
    Record record{std::move(queue_.front()), std::exchange(dropped_, false)};
    queue_.pop_front();
    Count& count = counts_[record.transgression.device];
    ++count.delivered;
    --count.waiting;
    return record;
}

Reader::Count ReaderQueue::count(std::optional<DeviceIndex> device) const noexcept {
    const auto it = counts_.find(device);
    return it == counts_.end() ? Count{} : it->second;
}

Reader* TransgressionLog::open(ClientId client, ReaderScope scope) {
    const auto [it, added] = readers_.try_emplace(client, scope);
    return added ? &it->second : nullptr;
}

template <class F>
void TransgressionLog::for_each_reader_of(std::optional<ClientId> owner, F f) {
    for (auto& [client, reader] : readers_)
        if (reader.scope() == ReaderScope::everything || owner == client) f(reader);
}

void TransgressionLog::announce(std::optional<ClientId> owner) {
    for_each_reader_of(owner, [](ReaderQueue& reader) { reader.announce(); });
}

void TransgressionLog::add(Transgression transgression, std::optional<ClientId> owner) {
    transgression.sequence = ++last_sequence_;
    for_each_reader_of(owner, [&](ReaderQueue& reader) { reader.put(transgression); });
    if (transgression.cause != Cause::device_gone) remember(transgression);
}

void TransgressionLog::remember(const Transgression& transgression) {
    const auto [at, is_new] = recent_by_key_.try_emplace(key_of(transgression));
    if (!is_new) {
        ++at->second->count;
        return;
    }
    at->second = recent_.insert(recent_.end(), transgression);
    if (recent_.size() <= recent_kept) return;
    recent_by_key_.erase(key_of(recent_.front()));
    recent_.pop_front();
}

void TransgressionLog::hardware_lost(UnitId unit, std::uint64_t at_least, Instant when) {
    add_episode(
        {.what = LossEpisode::What::overflow, .unit = unit, .at_least = at_least, .when = when});
    for (auto& [client, reader] : readers_) reader.hardware_lost();
}

void TransgressionLog::muted(UnitId unit, StreamId stream, Instant when) {
    add_episode({.what = LossEpisode::What::muted, .unit = unit, .stream = stream, .when = when});
}

void TransgressionLog::add_episode(LossEpisode episode) {
    if (episodes_.size() == episodes_kept) episodes_.pop_front();
    episodes_.push_back(episode);
}

}  // namespace smmu::containment
