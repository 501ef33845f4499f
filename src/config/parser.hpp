// SPDX-License-Identifier: Apache-2.0
// Parser: the state of one pass over the words, and the readers of their parts. Only this room
// includes it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/configuration.hpp"
#include "config/words.hpp"

namespace smmu::config {

class Parser {
public:
    Parser(Words words, Edition edition);

    void run();
    Configuration& configuration() { return configuration_; }
    std::vector<ConfigError>& errors() { return errors_; }

    // The option word that is being read.
    const Word& option() const { return words_[option_]; }
    Origin option_origin() const { return option().position.origin(); }

    // The next argument of the option; nothing at the next option word and at the end.
    const Word* peek() const;
    const Word* take();
    // The next word whatever it is: for the values of an option, of which one (`widen allow`) is an
    // option word too.
    const Word* peek_value() const { return next_ < words_.size() ? &words_[next_] : nullptr; }
    void take_value() { ++next_; }
    // The next argument, with an error when there is none.
    const Word* need(std::string_view expected);

    void error(const Word& word, std::string text);

    // Readers of one word. On an error it is recorded and nothing comes back.
    std::optional<std::string> name(const Word& word, std::string_view what);
    std::optional<std::uint64_t> address(const Word& word);
    std::optional<std::uint64_t> size(const Word& word);
    std::optional<std::uint32_t> number(const Word& word, std::string_view text,
                                        std::string_view what);
    std::optional<topology::DeviceId> device_id(const Word& word);
    std::optional<Window> window(const Word& word);
    std::optional<Who> who(const Word& word);
    // An address in a part of a word.
    std::optional<std::uint64_t> address_in(const Word& word, std::string_view text);

    // The unit kind of the last smmu word so far.
    std::optional<SupportModule> module_so_far() const;

    // Names may be defined later than they are used: what a word needs is looked at when all have
    // been read.
    enum class LaterCheck : std::uint8_t { allow_name, unit_alone, unit_with_stream };
    void check_at_end(const Word& word, LaterCheck check);

private:
    struct Later {
        Word word;
        LaterCheck check;
    };
    void check_later();

    std::vector<Word> words_;
    std::size_t next_ = 0;
    std::size_t option_ = 0;
    Configuration configuration_;
    std::vector<ConfigError> errors_;
    std::vector<Later> later_;
};

// The handlers of the option table.
bool parse_allow(Parser&);
bool parse_device(Parser&);
bool parse_smmu(Parser&);
bool parse_unit(Parser&);
bool parse_combine(Parser&);
bool parse_unclaimed(Parser&);
bool parse_uncontained(Parser&);
bool parse_exit(Parser&);
bool parse_ability(Parser&);
bool parse_limit(Parser&);
bool parse_tables(Parser&);
bool parse_widen(Parser&);
bool parse_safety(Parser&);
bool parse_platform(Parser&);
bool parse_trial(Parser&);
bool parse_takeover(Parser&);
bool parse_socket(Parser&);
bool parse_foreground(Parser&);
bool parse_debug(Parser&);

}  // namespace smmu::config
