// Multiply-accumulate with LightNN-2 weights (arXiv 1802.02178): the sum of two signed powers of two, each
// with the code {sign, e[2:0]} = (-1)^sign * 2^-e; wgt = {first, second}.
// The product is kept exactly with 7 fraction bits: two shifts and one add, no multiplier.
//
// Negations cost no adders of their own (-x = ~x + 1): the first 1 is the carry-in of the adder here, the
// second one that of the accumulator. That also keeps the registered sum within AW + 8 bits: an inverted term
// is at most 2^(AW+6) - 1, so the largest sum is 2 * (2^(AW+6) - 1) + 1 < 2^(AW+7).
module mac #(
    parameter AW = 8,
    parameter WW = 8,
    parameter PW = 31
) (
    input           clk,
    input           en,
    input  [AW-1:0] act,
    input  [WW-1:0] wgt,
    input  [PW-1:0] psum_in,
    output [PW-1:0] psum_out
);
    localparam TW = AW + 7;     // bits of a shifted activation
    localparam SW = AW + 8;     // bits of the sum of two

    wire          sign1 = wgt[7];
    wire          sign2 = wgt[3];
    wire [TW-1:0] wide  = {{7{act[AW-1]}}, act};
    wire [TW-1:0] term1 = (wide << ~wgt[6:4]) ^ {TW{sign1}};      // 7 - e = ~e in 3 bits
    wire [TW-1:0] term2 = (wide << ~wgt[2:0]) ^ {TW{sign2}};

    // A column right of the LSB, 1 + sign1, feeds the carry in: one adder, not two.
    wire [SW:0] both = {term1[TW-1], term1, 1'b1} + {term2[TW-1], term2, sign1};

    reg [SW-1:0] terms;
    reg          carry;
    always @(posedge clk)
        if (en) begin
            terms <= both[SW:1];
            carry <= sign2;
        end

    wire [PW:0] sum = {psum_in, 1'b1} + {{(PW-SW){terms[SW-1]}}, terms, carry};
    assign psum_out = sum[PW:1];
endmodule
