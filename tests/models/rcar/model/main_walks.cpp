// SPDX-License-Identifier: Apache-2.0
// MainUnit: requests and faults. Registers: main_unit.cpp.
#include <fmt/format.h>

#include "tests/models/rcar/model/main_unit.hpp"
#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {
namespace {

constexpr unsigned bits(std::uint32_t word, unsigned high, unsigned low) {
    return word >> low & ((1u << (high - low + 1)) - 1);
}
constexpr unsigned widest_stage2 = 40;

// Entries of the root, as a power of two.
unsigned root_bits(const Tables& tables) {
    const unsigned below = 12 + 9 * (3 - tables.start_level);
    return tables.input_bits > below ? tables.input_bits - below : 0;
}

}  // namespace

// What the registers of an enabled context break; empty when nothing.
std::string MainUnit::wrong_tables(const Context& context, const Tables& tables) const {
    const std::uint32_t word = context.table_control;
    const bool wide = (context.control & control::wide) != 0;
    constexpr std::uint32_t reserved = 0x00e0c020;
    constexpr std::uint32_t reserved_narrow = 0x00180018;  // upper bits of both TSZ
    if ((word & table_control::long_format) == 0) return "IMTTBCR.EAE is 0";
    if ((word & reserved) != 0 || (!wide && (word & reserved_narrow) != 0))
        return fmt::format("reserved bits of IMTTBCR are set: {:#x}", word);
    if (bits(word, 13, 12) == 1 || bits(word, 29, 28) == 1) return "IMTTBCR.SH is the reserved 1";
    if (((word & table_control::stage2) != 0) != tables.is_stage2)
        return "IMTTBCR.PMB and IMSAUXCTLR.S2PTE do not agree";
    if (tables.is_stage2 && !wide) return "the stage-2 format without VA64";
    if (tables.is_stage2 && tables.input_bits > widest_stage2)
        return fmt::format("{} bits of address in stage 2", tables.input_bits);
    if (bits(word, 7, 6) > (tables.is_stage2 ? 1u : 2u)) return "IMTTBCR.SL0 has no meaning";
    if (!wide && bits(word, 2, 0) != 0) return "TSZ0 is not 0 with 32-bit addresses";
    const unsigned entries = root_bits(tables);
    if (entries == 0 || entries > (tables.is_stage2 ? 13u : 9u))
        return fmt::format("IMTTBCR.SL0 starts at level {}, which does not fit {} bits of address",
                           tables.start_level, tables.input_bits);
    const std::uint64_t length = std::uint64_t{8} << entries;
    if ((context.roots[0] & 0xfff) != 0 || tables.root % length != 0)
        return fmt::format("the root {:#x} is not aligned to its {} bytes",
                           tables.root | (context.roots[0] & 0xfff),
                           std::max<std::uint64_t>(length, 4096));
    if ((context.roots[1] & ~0xffu) != 0) return "reserved bits of IMTTUBR0 are set";
    if (wide && !tables.is_stage2 &&
        (context.root(1) != context.root(0) || bits(word, 20, 16) != bits(word, 4, 0)))
        return "TTBR1 and TSZ1 are not those of TTBR0";
    return {};
}

std::optional<Tables> MainUnit::tables(unsigned index) {
    const Context& context = contexts_[index];
    const bool wide = (context.control & control::wide) != 0;
    const std::uint32_t word = context.table_control;
    Tables tables{.root = context.root(0), .is_stage2 = is_stage2()};
    tables.input_bits = wide ? 64 - bits(word, 4, 0) : 32 - bits(word, 2, 0);
    const unsigned start = bits(word, 7, 6);
    tables.start_level = tables.is_stage2 ? 2 - std::min(start, 1u) : 3 - std::min(start, 2u);
    tables.has_attributes[0] = context.has_attributes[0];
    tables.has_attributes[1] = context.has_attributes[1];
    const std::string wrong = wrong_tables(context, tables);
    if (wrong.empty()) return tables;
    complain(fmt::format("context {}: {}", index, wrong));
    return std::nullopt;
}

void MainUnit::check_enabled(unsigned index) {
    (void)tables(index);
}

std::optional<Translation> MainUnit::translate(unsigned index, std::uint64_t address, bool write,
                                               std::optional<unsigned> signal) {
    Context& context = contexts_[index];
    std::optional<Translation> found = context.tlb.find(address);
    if (found && hits_twice(index, address, *found, signal)) return std::nullopt;
    if (!found) {
        const std::optional<Tables> begin = tables(index);
        const auto walked =
            begin ? walker_.walk(index, *begin, address)
                  : std::variant<Translation, std::uint32_t>(fault::translation | fault::format);
        if (std::holds_alternative<std::uint32_t>(walked)) {
            record(index, std::get<std::uint32_t>(walked), address, signal);
            return std::nullopt;
        }
        found = std::get<Translation>(walked);
        found->context = index;
        context.tlb.add(address, *found);
    }
    if (found->permits(write)) return found;
    record(index, fault::permission | fault::access | fault::level(found->level()), address,
           signal);
    return std::nullopt;
}

bool MainUnit::hits_twice(unsigned index, std::uint64_t address, const Translation& known,
                          std::optional<unsigned> signal) {
    const std::optional<Tables> begin = tables(index);
    if (!begin || known.context != index) return false;
    const std::optional<unsigned> now = walker_.leaf_shift(*begin, address);
    if (!now || *now == known.shift) return false;
    complain(
        fmt::format("context {}: the size of the page at {:#x} was changed without a flush "
                    "between",
                    index, address));
    record(index, fault::multiple_hit, address, signal);
    return true;
}

// The first fault stays until it is cleared; later ones are lost.
void MainUnit::record(unsigned index, std::uint32_t status, std::uint64_t address,
                      std::optional<unsigned> signal) {
    Context& context = contexts_[index];
    for (const auto& bit : {signal, product_.main_bit})
        if (bit) context.signals |= 1u << *bit;
    if (context.status != 0) return;
    context.status = status;
    context.fault_address = address;
}

bool MainUnit::interrupts() const {
    for (const Context& context : contexts_)
        if (context.status != 0 && (context.control & control::interrupt) != 0) return true;
    return false;
}

}  // namespace smmu::model::rcar
