// For tests of what is thrown: the code, and that the sentence has what a person needs.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "ingot/error.h"

namespace ingot::testing {

// `call` throws an Error with this code, whose sentence contains each of `words`.
template <class Call>
void expect_error(ErrorCode code, std::initializer_list<std::string_view> words, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(name(error.code()), std::string(name(code))) << error.what();
    for (const std::string_view word : words) {
      EXPECT_NE(std::string_view(error.what()).find(word), std::string_view::npos)
          << "the sentence lacks \"" << word << "\": " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "nothing was thrown; expected " << name(code);
}

}  // namespace ingot::testing
