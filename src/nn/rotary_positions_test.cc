#include "nn/rotary_positions.h"

#include <doctest/doctest.h>

namespace pagoda {

TEST_CASE("without pictures every axis counts tokens") {
  CHECK(RotaryPositions().at(1000) == std::array{1000, 1000, 1000});
}

TEST_CASE("pictures count rows and columns, and text goes on behind the longer side") {
  RotaryPositions positions;
  positions.add_picture(4, 2, 3);   // tokens 4 to 9
  positions.add_picture(11, 3, 1);  // tokens 11 to 13
  CHECK(positions.at(3) == std::array{3, 3, 3});
  CHECK(positions.at(4) == std::array{4, 4, 4});
  CHECK(positions.at(6) == std::array{4, 4, 6});
  CHECK(positions.at(9) == std::array{4, 5, 6});
  CHECK(positions.at(10) == std::array{7, 7, 7});
  CHECK(positions.at(11) == std::array{8, 8, 8});
  CHECK(positions.at(13) == std::array{8, 10, 8});
  CHECK(positions.at(14) == std::array{11, 11, 11});
  CHECK(positions.at(20) == std::array{17, 17, 17});
}

TEST_CASE("a picture may directly follow another") {
  RotaryPositions positions;
  positions.add_picture(0, 1, 2);
  positions.add_picture(2, 1, 2);
  CHECK(positions.at(1) == std::array{0, 0, 1});
  CHECK(positions.at(2) == std::array{2, 2, 2});
  CHECK(positions.at(4) == std::array{4, 4, 4});
}

}  // namespace pagoda
