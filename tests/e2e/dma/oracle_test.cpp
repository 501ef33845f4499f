// SPDX-License-Identifier: Apache-2.0
// Random calls of two clients against the real service, and after each of them random DMA: what
// every byte of it finds is what the oracle says, on every kind of unit. SMMU_TEST_SEED chooses the
// sequence; LONG=1 makes it a long one.
#include <fmt/format.h>

#include <deque>
#include <random>

#include "tests/e2e/dma/grant_oracle.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t outlet_offset = 0x100'0000;  // in the arena: a page for each device, from the start
constexpr std::uint64_t startup_offset = 20 * page + 100, startup_bytes = 200;
constexpr std::array devices = {q35::edu_a, q35::edu_b, q35::edu_behind_port};
constexpr unsigned clients = 2;

class Campaign {
public:
    // A lie makes the oracle wrong by one page after some calls: it must be seen.
    enum class Lie { none, forgets_a_page, invents_a_page };
    // Probes after each call. Many look closely at fewer states; calls take most of the time.
    static constexpr int few = 5, many = 50;

    Campaign(const std::string& board, std::uint64_t seed, Lie lie)
        : random_(seed), seed_(seed), lie_(lie), room_(open(board)), arena_(room_->memory()),
          target_window_(arena_ + 0x8000'0000), oracle_({arena_, target_window_, knows_first_stage_only(board)}) {
        for (std::size_t i = 0; i < devices.size(); ++i)
            oracle_.allow_at_startup(devices[i].stream(), outlet(i), page);
        oracle_.allow_at_startup(q35::edu_a.stream(), arena_ + startup_offset, startup_bytes);
        start_service();
        scramble();
    }

    // Empty: every probe found what the oracle says.
    std::string run(std::size_t probes, int probes_per_call = few) {
        for (std::size_t done = 0; done < probes && mismatch_.empty();) {
            call();
            for (int i = 0; i < probes_per_call && mismatch_.empty(); ++i, ++done) probe();
        }
        if (mismatch_.empty()) return {};
        std::string text = fmt::format("seed {}: {}\nthe calls before it:", seed_, mismatch_);
        for (const std::string& line : history_) text += "\n  " + line;
        return text + "\nservice: " + room_->service().said();
    }
    std::string counts() const {
        return fmt::format(
            "{} calls ({} refused by rule), {} restarts, {} deaths; writes: {} open "
            "{} shut; reads: {} open {} shut",
            calls_, refused_, restarts_, deaths_, writes_[1], writes_[0], reads_[1], reads_[0]);
    }
    bool is_varied() const {
        return refused_ != 0 && deaths_ != 0 && writes_[0] != 0 && writes_[1] != 0 &&
               reads_[0] != 0 && reads_[1] != 0;
    }

private:
    struct Owned {
        Object object;
        unsigned client;
    };

    static std::unique_ptr<MachineRoom> open(const std::string& board) {
        auto opened = MachineRoom::open(board);
        if (!opened) throw std::runtime_error(opened.error().text);
        return std::move(*opened);
    }
    static bool knows_first_stage_only(const std::string& board) {
        return board.ends_with("-first-stage") || board.ends_with("-s1");
    }
    std::uint64_t outlet(std::size_t device) const { return arena_ + outlet_offset + device * page; }

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    void note(std::string line) {
        constexpr std::size_t kept = 50;
        history_.push_back(std::move(line));
        if (history_.size() > kept) history_.pop_front();
        ++calls_;
    }
    void compare(const Answer& answer, bool expected) {
        if (!expected) ++refused_;
        history_.back() +=
            answer.done() ? " -> done" : fmt::format(" -> {}", strerror(answer.error));
        if (answer.done() != expected)
            mismatch_ =
                fmt::format("a call {}: {}", expected ? "failed" : "was not refused", answer.text);
    }

    void start_service() {
        std::vector<std::string> words = {"smmu", room_->unit_kind(), "allow", "early",
                                          fmt::format("{:#x},{}", arena_ + startup_offset, startup_bytes)};
        for (std::size_t i = 0; i < devices.size(); ++i) {
            const std::string name = fmt::format("outlet{}", i);
            words.insert(
                words.end(),
                {"allow", name, fmt::format("{:#x},{}", outlet(i), page), "device",
                 fmt::format("0000:{:02x}:{:02x}.0", devices[i].bus, devices[i].device), name});
            if (i == 0) words.push_back("early");
        }
        const auto started = room_->start_service(words);
        if (!started) throw std::runtime_error(started.error().text);
        for (ClientProcess& client : clients_) client = room_->driver();
    }
    void forget(unsigned client) {
        for (auto it = objects_.begin(); it != objects_.end();) {
            if (it->second.client != client) {
                ++it;
                continue;
            }
            oracle_.destroy(it->first);
            std::erase_if(owners_, [&](const auto& pair) { return pair.second == it->first; });
            it = objects_.erase(it);
        }
    }

    void call() {
        const std::uint64_t choice = below(1000);
        if (objects_.size() < 2 || (choice < 50 && objects_.size() < 6)) {
            create();
            return;
        }
        const auto chosen = std::next(objects_.begin(), std::ptrdiff_t(below(objects_.size())));
        if (choice < 100)
            destroy(chosen->first);
        else if (choice < 300)
            add(chosen->first, devices[below(devices.size())]);
        else if (choice < 350)
            remove(devices[below(devices.size())]);
        else if (choice < 365)
            die(unsigned(below(clients)));
        else if (choice < 368)
            restart();
        else
            map(chosen->first);
    }
    void create() {
        const auto client = unsigned(below(clients));
        note(fmt::format("client {} creates object {}", client, next_));
        const Object object = clients_[client].create();
        compare({object != nullptr ? 0 : -1}, true);
        objects_[next_] = {object, client};
        oracle_.create(next_++);
    }
    void destroy(GrantOracle::Key key) {
        note(fmt::format("destroy {}", key));
        const Owned owned = objects_.at(key);
        compare(clients_[owned.client].destroy(owned.object), true);
        oracle_.destroy(key);
        objects_.erase(key);
        std::erase_if(owners_, [&](const auto& pair) { return pair.second == key; });
    }
    void add(GrantOracle::Key key, Function device) {
        note(fmt::format("add {:#x} to {}", std::uint32_t(device.stream()), key));
        const Owned owned = objects_.at(key);
        const auto owner = owners_.find(device.stream());
        const bool is_free =
            owner == owners_.end() || objects_.at(owner->second).client == owned.client;
        compare(clients_[owned.client].add(owned.object, device), is_free);
        if (!is_free) return;
        owners_[device.stream()] = key;
        oracle_.attach(device.stream(), key);
    }
    void remove(Function device) {
        const auto owner = owners_.find(device.stream());
        if (owner == owners_.end()) return;
        note(fmt::format("remove {:#x}", std::uint32_t(device.stream())));
        compare(clients_[objects_.at(owner->second).client].remove(device), true);
        owners_.erase(owner);
        oracle_.detach(device.stream());
    }
    void die(unsigned client) {
        note(fmt::format("client {} dies", client));
        ++deaths_;
        forget(client);
        clients_[client].kill_now();
        const std::size_t left = objects_.size();
        if (!eventually([&] { return room_->status().objects.size() == left; }))
            mismatch_ = "objects of a dead process remain";
        clients_[client] = room_->driver();
    }
    void restart() {
        note("the service is killed and starts again");
        ++restarts_;
        for (unsigned client = 0; client < clients; ++client) forget(client);
        room_->service().end(SIGKILL);
        start_service();
    }
    void map(GrantOracle::Key key) {
        constexpr std::array permissions = {
            0u, 0u, rw, rw, unsigned{SMF_READ}, unsigned{SMF_WRITE}};
        const unsigned access = permissions[below(permissions.size())];
        const std::uint64_t offset = below(2) != 0 ? below(arena_bytes) : below(arena_pages) * page;
        const std::uint64_t most = std::min(arena_bytes - offset, 6 * page);
        const std::uint64_t bytes = below(2) != 0 ? 1 + below(most) : std::min(most, page);
        const bool to_target = below(2) != 0;
        std::uint64_t memory = arena_ + offset;
        if (to_target) {  // the same place in a page, but for one call in 16
            const std::uint64_t pages = (offset % page + bytes + page - 1) / page;
            memory = arena_ + below(arena_pages - pages + 1) * page + offset % page;
            if (below(16) == 0) memory ^= 8;
        }
        const std::uint64_t address = (to_target ? target_window_ : arena_) + offset;
        note(fmt::format("object {}: {:#x}+{:#x} access {} memory {:#x}", key, address, bytes,
                         access, memory));
        const bool expected = oracle_.grant(key, address, bytes, access, memory);
        const Owned owned = objects_.at(key);
        const unsigned flags = access | (to_target && access != 0 ? unsigned{SMF_TARGET} : 0u);
        compare(clients_[owned.client].map(owned.object, address, bytes, flags,
                                           to_target && access != 0 ? memory : 0),
                expected);
    }

    // Fresh contents, no byte of it zero: a refused read shows as zeros.
    void scramble() {
        shadow_.resize(arena_bytes);
        for (auto& byte : shadow_) byte = std::byte(1 + below(255));
        std::ranges::copy(shadow_, room_->ram().at({arena_}, arena_bytes).begin());
    }
    GrantOracle::Reach expected(Function device, std::uint64_t address) const {
        auto reach = oracle_.reach(device.stream(), address);
        if (lie_ == Lie::forgets_a_page && address / page % 8 == 3) reach.access = 0;
        if (lie_ == Lie::invents_a_page && address / page % 8 == 3 && reach.access == 0)
            reach = {arena_ + address % page, rw};
        return reach;
    }

    void probe() {
        const std::size_t which = below(devices.size());
        const std::uint64_t bytes = below(2) != 0 ? 1 + below(page) : 1 + below(16);
        // Pages around both windows too; near an edge every other time.
        const std::uint64_t base = below(2) != 0 ? arena_ : target_window_;
        std::uint64_t address = base - page + below(arena_bytes + page);
        if (below(2) != 0)
            address = (address / page + 1) * page - 1 - below(std::min<std::uint64_t>(bytes, 32));
        room_->edu(devices[which]).bus_master(true);
        if (below(2) != 0)
            probe_write(which, address, bytes);
        else
            probe_read(which, address, bytes);
        if (!mismatch_.empty()) mismatch_ += ", DMA " + fmt::format("{:#x}+{}", address, bytes);
    }
    void fill_edu(std::size_t which, std::span<const std::byte> contents) {
        std::ranges::copy(contents, room_->ram().at({outlet(which)}, contents.size()).begin());
        if (!room_->edu(devices[which]).dma_in({outlet(which)}, contents.size()))
            mismatch_ = "the device is stuck";
    }
    void probe_write(std::size_t which, std::uint64_t address, std::uint64_t bytes) {
        std::vector<std::byte> sent(bytes);
        for (auto& byte : sent) byte = std::byte(1 + below(255));
        fill_edu(which, sent);
        room_->edu(devices[which]).dma_out({address}, bytes);
        for (std::uint64_t i = 0; i < bytes; ++i) {
            const auto reach = expected(devices[which], address, i);
            const bool is_open = (reach.access & SMF_WRITE) != 0;
            ++writes_[is_open];
            if (is_open && reach.memory - arena_ < arena_bytes)
                shadow_[reach.memory - arena_] = sent[i];
        }
        const auto memory = room_->ram().at({arena_}, arena_bytes);
        const auto differs = std::ranges::mismatch(memory, shadow_);
        if (differs.in1 == memory.end()) return;
        mismatch_ = fmt::format("a write of {:#x}: memory {:#x} is not as expected",
                                std::uint32_t(devices[which].stream()),
                                arena_ + std::uint64_t(differs.in1 - memory.begin()));
    }
    void probe_read(std::size_t which, std::uint64_t address, std::uint64_t bytes) {
        fill_edu(which, std::vector<std::byte>(bytes));
        Edu& edu = room_->edu(devices[which]);
        edu.dma_in({address}, bytes);
        edu.dma_out({outlet(which)}, bytes);
        const auto got = room_->ram().at({outlet(which)}, bytes);
        for (std::uint64_t i = 0; i < bytes; ++i) {
            const auto reach = expected(devices[which], address, i);
            const bool is_open = (reach.access & SMF_READ) != 0;
            ++reads_[is_open];
            const std::byte wanted = is_open ? shadow_[reach.memory - arena_] : std::byte{0};
            if (got[i] == wanted) continue;
            mismatch_ = fmt::format("a read of {:#x}: address {:#x} {}",
                                    std::uint32_t(devices[which].stream()), address + i,
                                    is_open ? "was refused" : "escaped");
            return;
        }
    }
    // Pages are looked up once: `i` runs upwards.
    GrantOracle::Reach expected(Function device, std::uint64_t address, std::uint64_t i) {
        if (i == 0 || (address + i) % page == 0) {
            page_reach_ = expected(device, (address + i) / page * page);
        }
        return {page_reach_.memory + (address + i) % page, page_reach_.access};
    }

    std::mt19937_64 random_;
    std::uint64_t seed_;
    Lie lie_;
    std::unique_ptr<MachineRoom> room_;
    std::uint64_t arena_, target_window_;
    std::array<ClientProcess, clients> clients_;
    std::map<GrantOracle::Key, Owned> objects_;
    std::map<StreamId, GrantOracle::Key> owners_;
    GrantOracle::Key next_ = 0;
    GrantOracle oracle_;
    GrantOracle::Reach page_reach_{};
    std::vector<std::byte> shadow_;
    std::deque<std::string> history_;
    std::string mismatch_;
    std::size_t calls_ = 0, refused_ = 0, restarts_ = 0, deaths_ = 0;
    std::array<std::size_t, 2> writes_{}, reads_{};
};

std::uint64_t chosen_seed() {
    const char* const seed = std::getenv("SMMU_TEST_SEED");
    return seed != nullptr ? std::strtoull(seed, nullptr, 0) : 1;
}

class DmaOracle : public testing::TestWithParam<const char*> {};

TEST_P(DmaOracle, EveryByteIsWhereTheOracleSays) {
    const bool is_long = std::getenv("LONG") != nullptr;
    const bool is_first = GetParam() == std::string("q35-vtd");
    const std::uint64_t seed = chosen_seed();
    fmt::print("seed {}\n", seed);
    Campaign campaign(GetParam(), seed, Campaign::Lie::none);
    EXPECT_EQ(is_long ? campaign.run(1'000'000, Campaign::many) : campaign.run(is_first ? 5'000 : 2'000), "");
    fmt::print("{}\n", campaign.counts());
    EXPECT_TRUE(campaign.is_varied()) << campaign.counts();
}

INSTANTIATE_TEST_SUITE_P(Boards, DmaOracle,
                         testing::Values("q35-vtd", "q35-vtd-first-stage", "virt-smmuv3", "virt-smmuv3-s1", "virt-smmuv3-s2", "virt-smmuv3-dt"),
                         [](const auto& board) {
                             std::string name = board.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

TEST(DmaOracleItself, SeesAnEscape) {
    Campaign campaign("q35-vtd", chosen_seed(), Campaign::Lie::forgets_a_page);
    EXPECT_NE(campaign.run(2'000).find(", DMA "), std::string::npos);
}

TEST(DmaOracleItself, SeesAFalseRefusal) {
    Campaign campaign("q35-vtd", chosen_seed(), Campaign::Lie::invents_a_page);
    EXPECT_NE(campaign.run(2'000).find(", DMA "), std::string::npos);
}

}  // namespace
}  // namespace smmu::test
