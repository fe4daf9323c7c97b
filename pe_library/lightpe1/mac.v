// Multiply-accumulate with LightNN-1 weights (arXiv 1802.02178): (-1)^sign * 2^-e, code {sign, e[2:0]}.
// The product is kept exactly, with 7 fraction bits, as act << (7 - e): one shift, no multiplier.
//
// Negation costs no adder of its own: -x = ~x + 1, where ~ happens before the product register and the 1 is
// the carry-in of the accumulator. So the product register holds {shifted or inverted word, carry}.
module mac #(
    parameter AW = 8,
    parameter WW = 4,
    parameter PW = 30
) (
    input           clk,
    input           en,
    input  [AW-1:0] act,
    input  [WW-1:0] wgt,
    input  [PW-1:0] psum_in,
    output [PW-1:0] psum_out
);
    localparam TW = AW + 7;     // bits of a shifted activation

    wire          sign    = wgt[3];
    wire [TW-1:0] shifted = {{7{act[AW-1]}}, act} << ~wgt[2:0];   // 7 - e = ~e in 3 bits

    reg [TW-1:0] term;
    reg          carry;
    always @(posedge clk)
        if (en) begin
            term  <= shifted ^ {TW{sign}};
            carry <= sign;
        end

    // A column right of the LSB, 1 + carry, feeds the carry in: one adder, not two.
    wire [PW:0] sum = {psum_in, 1'b1} + {{(PW-TW){term[TW-1]}}, term, carry};
    assign psum_out = sum[PW:1];
endmodule
