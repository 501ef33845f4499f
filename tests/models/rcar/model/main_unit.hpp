// SPDX-License-Identifier: Apache-2.0
// MainUnit: IPMMU-MM: contexts, walks, fault records. A flush takes effect at the latest moment:
// when its bit reads 0 again.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tests/models/rcar/model/product.hpp"
#include "tests/models/rcar/model/tlb.hpp"
#include "tests/models/rcar/model/walk.hpp"

namespace smmu::model::rcar {

// What the product leaves open.
struct Behaviour {
    unsigned flush_readings = 1;  // how many readings of IMCTR show a flush that is under way
    bool never_flushes = false;
    bool sees_cleaning = false;  // walks see only what RcarMachine::clean() was told of
};

class MainUnit {
public:
    // What the main unit knows of the others.
    struct Others {
        std::function<bool(unsigned context)> use;      // a micro-TLB is tied to it
        std::function<void(unsigned context)> flushed;  // the flush of a context is over
    };

    MainUnit(const Product& product, const Behaviour& behaviour, const Memory& memory, View& view,
             Complaints& complaints, Others others);

    // 32 bits, naturally aligned.
    std::uint32_t read(std::uint64_t offset);
    void write(std::uint64_t offset, std::uint32_t value);

    bool is_enabled(unsigned context) const {
        return context < product_.contexts && (contexts_[context].control & 1) != 0;
    }
    // Whether anything of the context's tables is remembered here.
    bool remembers(unsigned context) const;
    // The translation of `address` that permits the access; nothing when it is refused, which is
    // recorded. `signal`: IMSSTR's bit of the unit that asks.
    std::optional<Translation> translate(unsigned context, std::uint64_t address, bool write,
                                         std::optional<unsigned> signal);
    // Whether memory holds a leaf of another size than `known`: then both may be found at once.
    // Complains and records.
    bool hits_twice(unsigned context, std::uint64_t address, const Translation& known,
                    std::optional<unsigned> signal);
    void record(unsigned context, std::uint32_t status, std::uint64_t address,
                std::optional<unsigned> signal);
    // The level of the fault interrupt.
    bool interrupts() const;

private:
    struct Context {
        std::uint32_t control = 0;
        std::uint32_t table_control = 0;
        std::array<std::uint32_t, 4> roots{};  // low and high of each
        std::uint32_t status = 0;
        std::uint64_t fault_address = 0;
        std::array<std::uint32_t, 2> attributes{};
        std::array<bool, 2> has_attributes{};
        std::uint32_t signals = 0;
        unsigned readings_left = 0;
        Tlb tlb;

        std::uint64_t root(unsigned which) const {
            return (roots[2 * which] & ~0xfffu) | std::uint64_t{roots[2 * which + 1] & 0xff} << 32;
        }
        bool is_on() const { return (control & 1) != 0; }
    };

    void complain(const std::string& what) { complaints_.add("mm: " + what); }
    std::uint32_t read_context(unsigned index, unsigned offset);
    void write_context(unsigned index, unsigned offset, std::uint32_t value);
    void write_control(unsigned index, std::uint32_t value);
    void write_unit(unsigned offset, std::uint32_t value);
    void clear_status(unsigned index, std::uint32_t value);
    std::uint32_t* register_of(Context& context, unsigned offset);
    void finish_flush(unsigned index);
    void check_enabled(unsigned index);
    bool is_stage2() const { return (auxiliary_ & (1u << 3)) != 0; }
    // Nothing when no walk can begin with these registers.
    std::optional<Tables> tables(unsigned index);
    std::string wrong_tables(const Context& context, const Tables& tables) const;

    Product product_;
    Behaviour behaviour_;
    Complaints& complaints_;
    Others others_;
    Walker walker_;
    std::array<Context, 16> contexts_{};
    std::uint32_t control_ = 0xc0000000;  // what firmware leaves
    std::uint32_t auxiliary_ = 1u << 24;
};

}  // namespace smmu::model::rcar
