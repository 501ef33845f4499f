// SPDX-License-Identifier: Apache-2.0
// Mmu500Room: a modelled machine with an MMU-500 and DMA engines behind it, and the service on it.
#pragma once

#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

// A DMA engine of the model (tests/models/mmu500/model/engine.hpp). The upper half of its memory
// holds own_byte.
class Engine {
public:
    static constexpr std::uint64_t bytes = 0x100000;
    static constexpr std::uint64_t inside = 0x40000, own_offset = 2048;

    Engine(link::Client& link, std::uint64_t base) : link_(&link), base_(base) {}

    std::uint64_t base() const { return base_; }
    // Which of its streams it uses from here on.
    void choose(unsigned stream) { set(0xa0, stream); }
    // Whether it was not aborted.
    bool read(std::uint64_t from, std::uint64_t length, std::uint64_t offset = 0) {
        return transfer(from, inside + offset, length, 1);
    }
    bool write(std::uint64_t to, std::uint64_t length, std::uint64_t offset = own_offset) {
        return transfer(inside + offset, to, length, 3);
    }

private:
    void set(std::uint64_t offset, std::uint64_t value) {
        link_->write({base_ + offset}, 8, value);
    }
    bool transfer(std::uint64_t from, std::uint64_t to, std::uint64_t length, unsigned command) {
        set(0x80, from);
        set(0x88, to);
        set(0x90, length);
        set(0x98, command);
        return link_->read({base_ + 0xa8}, 8) == 0;
    }
    link::Client* link_;
    std::uint64_t base_;
};

class Mmu500Room : public testing::Test {
protected:
    static constexpr std::uint64_t unit = 0xfd800000, first_engine = 0xff000000;
    static constexpr std::uint64_t memory = 0x82000000;  // free for tests
    static constexpr std::uint8_t own_byte = 0x5a;
    static constexpr std::uint64_t few = 16;
    static constexpr unsigned network = 0, disk = 1, stranger = 2, pair = 3;  // engines

    void open(const std::string& features = "", const std::string& further = "") {
        const auto file =
            std::filesystem::temp_directory_path() / fmt::format("smmu-mmu500-{}.json", getpid());
        std::ofstream(file) << fmt::format(R"({{"units": [{{"features": {{{}}}{}}}]}})", features,
                                           further);
        auto started = BoardProcess::start(file, {}, "smmu-model-mmu500");
        std::filesystem::remove(file);
        ASSERT_TRUE(started) << started.error().text;
        board_ = std::move(*started);
        auto connected = board_->connect();
        ASSERT_TRUE(connected) << connected.error().text;
        link_ = std::move(*connected);
        auto mapped = Ram::map(*link_);
        ASSERT_TRUE(mapped) << mapped.error().text;
        ram_.emplace(std::move(*mapped));
        for (unsigned i = 0; i < 4; ++i)
            engines_.emplace_back(*link_, first_engine + i * Engine::bytes);
        // While no unit translates.
        ram_->fill({memory}, page, own_byte);
        for (Engine& engine : engines_) EXPECT_TRUE(engine.read(memory, page));
        ram_->fill({memory}, page, 0);
    }
    // All engines but the stranger, as a person describes them.
    static std::vector<std::string> words(const std::vector<std::string>& for_disk = {},
                                          const std::string& bypass = "0") {
        std::vector<std::string> all = {"smmu",
                                        "armsmmu",
                                        "unit",
                                        "mmu",
                                        "fd800000,64,65," + bypass,
                                        "device",
                                        "mem:ff000000,1M",
                                        "use",
                                        "mmu",
                                        "1",
                                        "device",
                                        "mem:ff300000,1M",
                                        "use",
                                        "mmu",
                                        "0x10",
                                        "use",
                                        "mmu",
                                        "0x11",
                                        "device",
                                        "mem:ff100000,1M",
                                        "use",
                                        "mmu",
                                        "2"};
        all.insert(all.end(), for_disk.begin(), for_disk.end());
        return all;
    }
    // Without the model's own tables, which name the stranger, too.
    void start(const std::vector<std::string>& all) {
        const std::string folder = board_->directory() + "/other-tables";
        std::filesystem::create_directory(folder);
        std::ofstream(folder + "/SSDT") << "a table that says nothing of units";
        std::vector<std::string> described = {"--tables", folder};
        described.insert(described.end(), all.begin(), all.end());
        start_with(described);
    }
    void start_with(const std::vector<std::string>& all) {
        auto started = Service::start(*board_, all);
        ASSERT_TRUE(started) << started.error().text;
        service_.emplace(std::move(*started));
    }
    void start() { start(words()); }
    void TearDown() override {
        if (board_ && !may_complain) {
            EXPECT_THAT(log(), testing::Not(testing::HasSubstr("COMPLAINT")));
        }
    }

    BoardProcess& board() { return *board_; }
    link::Client& link() { return *link_; }
    Service& service() { return *service_; }
    Engine& engine(unsigned index) { return engines_[index]; }
    std::string log() const { return contents(board_->directory() + "/model.log"); }
    report::Status status() const { return Service::status(*board_); }

    static ClientProcess driver() {
        ClientProcess process = ClientProcess::start();
        const Answer answer = process.init();
        EXPECT_TRUE(answer.done()) << testing::PrintToString(answer);
        return process;
    }
    Answer add(ClientProcess& driver, Object object, unsigned index) {
        return driver.run([object, base = engine(index).base()] {
            return long{smmu_device_add_mmio(object, base, Engine::bytes)};
        });
    }
    // An object with the engine in it.
    Object own(ClientProcess& driver, unsigned index) {
        const Object object = driver.create();
        const Answer added = add(driver, object, index);
        EXPECT_TRUE(added.done()) << testing::PrintToString(added);
        return object;
    }
    // Whether what the engine writes at `to` arrives at `at`.
    bool writes(unsigned index, std::uint64_t to, std::uint64_t at) {
        ram_->fill({at}, few, 0);
        engine(index).write(to, few);
        const auto bytes = ram_->at({at}, few);
        return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{own_byte}; });
    }
    bool writes(unsigned index, std::uint64_t to) { return writes(index, to, to); }
    bool reads(unsigned index, std::uint64_t from) { return engine(index).read(from, few); }
    // No engine gets at memory that it was not given.
    void expect_contained() {
        for (unsigned i = 0; i < engines_.size(); ++i) {
            EXPECT_FALSE(writes(i, memory)) << i;
            EXPECT_FALSE(reads(i, memory)) << i;
        }
        engine(pair).choose(1);
        EXPECT_FALSE(writes(pair, memory));
        engine(pair).choose(0);
    }
    // A client maps, uses, changes, unmaps: what is allowed passes, and only as long as it is.
    void expect_drivers_work(unsigned index, bool write_implies_read = false) {
        ClientProcess client = driver();
        const Object object = own(client, index);
        ASSERT_NE(object, nullptr);
        EXPECT_FALSE(writes(index, memory));
        ASSERT_TRUE(client.map(object, memory, 4 * page).done());
        EXPECT_TRUE(writes(index, memory) && reads(index, memory));
        EXPECT_TRUE(writes(index, memory + 3 * page));
        EXPECT_FALSE(writes(index, memory + 4 * page));
        ASSERT_TRUE(client.unmap(object, memory + page, page).done());
        EXPECT_FALSE(writes(index, memory + page));
        EXPECT_TRUE(writes(index, memory));
        ASSERT_TRUE(client.map(object, memory + page, page, SMF_READ).done());
        EXPECT_TRUE(reads(index, memory + page));
        EXPECT_FALSE(writes(index, memory + page)) << "read only";
        ASSERT_TRUE(client.map(object, memory + 5 * page, page, SMF_WRITE).done());
        EXPECT_TRUE(writes(index, memory + 5 * page));
        EXPECT_EQ(reads(index, memory + 5 * page), write_implies_read);
        ASSERT_TRUE(client.map(object, memory + (4u << 20), 4u << 20).done());
        EXPECT_TRUE(writes(index, memory + (6u << 20)));
        ASSERT_TRUE(client.unmap(object, 0, 1ull << 32).done());
        EXPECT_FALSE(writes(index, memory));
        EXPECT_FALSE(writes(index, memory + (6u << 20)));
        ASSERT_TRUE(client.map(object, memory, page).done());
        EXPECT_TRUE(writes(index, memory));
        client.kill_now();
        EXPECT_TRUE(eventually([&] { return status().objects.empty(); }));
        EXPECT_FALSE(writes(index, memory));
    }

    bool may_complain = false;  // the model, of a driver whose unit does not work

private:
    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> link_;
    std::optional<Ram> ram_;
    std::vector<Engine> engines_;
    std::optional<Service> service_;
};

}  // namespace smmu::test
