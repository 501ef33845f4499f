// SPDX-License-Identifier: Apache-2.0
// TransgressionLog: hands each transgression to every reader that may see it, and counts exactly:
// what was seen of a device is what a reader was handed, plus repeats absorbed, plus what it lost,
// plus what waits.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <vector>

#include "containment/containment.hpp"

namespace smmu::containment {

// What a client's reader is told.
enum class ReaderScope { own_devices, everything };

// Refusals of which all this is the same are repeats of one another.
struct RepeatKey {
    std::uint64_t page;
    bool address_known;
    UnitId unit;
    StreamId stream;
    bool stream_known;
    std::optional<DeviceIndex> device;
    Access access;
    Cause cause;
    ObjectId owner_object;
    friend auto operator<=>(const RepeatKey&, const RepeatKey&) = default;
};

// The place of one client in the stream.
class ReaderQueue final : public Reader {
public:
    static constexpr std::size_t slots = 64;
    static constexpr std::size_t slots_per_device = 16;
    static constexpr unsigned repeat_log2 = 12;  // repeats lie in the same 4 KiB

    explicit ReaderQueue(ReaderScope scope) : scope_(scope) {}
    ReaderScope scope() const { return scope_; }

    // A refusal will be put in before this call of containment ends: who waits for one is told now.
    void announce();
    void put(const Transgression& transgression);
    // Hardware lost refusals; nobody knows whose.
    void hardware_lost() { dropped_ = true; }

    std::optional<Record> next() noexcept override;
    bool waiting() const noexcept override { return !queue_.empty(); }
    void on_waiting(std::function<void()> callback) override { callback_ = std::move(callback); }
    Count count(std::optional<DeviceIndex> device) const noexcept override;

private:
    using Source = std::optional<DeviceIndex>;  // nothing: streams no known device has
    bool make_room_for(Source source);

    ReaderScope scope_;
    std::deque<Transgression> queue_;
    std::map<Source, Count> counts_;  // `waiting` is the number of its slots
    bool dropped_ = false;
    bool announced_ = false;  // and not put in yet
    std::function<void()> callback_;
};

class TransgressionLog {
public:
    static constexpr std::size_t episodes_kept = 256;
    static constexpr std::size_t recent_kept = 256;

    // nullptr when this client has one already.
    Reader* open(ClientId client, ReaderScope scope);
    void close(ClientId client) { readers_.erase(client); }

    // To be called as soon as it is known whose device was refused, with add() to follow: its client wakes up while the
    // rest is found out. `owner`: the client whose device it was.
    void announce(std::optional<ClientId> owner);
    // Gives it its number and hands it on; announces it if nobody has.
    void add(Transgression transgression, std::optional<ClientId> owner);
    void hardware_lost(UnitId unit, std::uint64_t at_least, Instant when);
    void muted(UnitId unit, StreamId stream, Instant when);

    std::uint64_t seen() const { return last_sequence_; }
    const std::deque<LossEpisode>& episodes() const { return episodes_; }
    const std::list<Transgression>& recent() const { return recent_; }

private:
    template <class F>
    void for_each_reader_of(std::optional<ClientId> owner, F f);
    void add_episode(LossEpisode episode);
    void remember(const Transgression& transgression);

    std::map<ClientId, ReaderQueue> readers_;
    std::uint64_t last_sequence_ = 0;
    std::deque<LossEpisode> episodes_;
    std::list<Transgression> recent_;  // ascending by the number of the first of the repeats
    std::map<RepeatKey, std::list<Transgression>::iterator> recent_by_key_;
};

}  // namespace smmu::containment
